package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// A folder is a tree of log files on disk, or a single file.
type folder struct {
	name     string // as the user wrote it
	root     string // absolute
	single   bool
	lookback time.Duration
}

func parsePath(spec string, info fs.FileInfo, d Deps) (Source, error) {
	root, err := filepath.Abs(spec)
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", spec, err)
	}
	return &folder{name: spec, root: root, single: !info.IsDir(), lookback: d.Lookback}, nil
}

func (f *folder) Name() string { return f.name }

// List walks the tree in the order of names. A link to a file is followed, one
// to a folder is not: it may lead back up. A file that is named directly is
// listed whatever its name is and whenever it was delivered.
func (f *folder) List(ctx context.Context, b Bounds) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		if f.single {
			o, _, err := stat(f.root)
			yield(o, wrapList(f.root, err))
			return
		}
		w := newWindow(b, f.lookback)
		found, failed := false, false
		// The separator makes the walk enter a root that is itself a link.
		err := filepath.WalkDir(f.root+string(filepath.Separator), func(name string, entry fs.DirEntry, err error) error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				failed = true
				if !yield(Object{}, wrapList(name, err)) {
					return fs.SkipAll
				}
				return nil
			}
			within, err := filepath.Rel(f.root, name)
			if err != nil || entry.IsDir() || !isLog(filepath.ToSlash(within)) {
				return err
			}
			o, regular, err := stat(name)
			switch {
			case err != nil:
				failed = true
				if !yield(Object{}, wrapList(name, err)) {
					return fs.SkipAll
				}
			case regular:
				found = true
				if w.holds(o) && !yield(o, nil) {
					return fs.SkipAll
				}
			}
			return nil
		})
		switch {
		case err != nil:
			yield(Object{}, wrapList(f.root, err))
		case !found && !failed:
			yield(Object{}, fmt.Errorf("source %s: %w: nothing in it ends in %s", f.name, ErrNoLogs, logEndings))
		}
	}
}

func wrapList(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("list %s: %w", filepath.ToSlash(name), reason(err))
}

// reason drops the operation and path of err, which the caller names.
func reason(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// stat returns the file at name as an object, and whether it is a regular one:
// what else a folder may hold (sockets, pipes, folders behind links) would
// never end.
func stat(name string) (o Object, regular bool, err error) {
	info, err := os.Stat(name)
	if err != nil {
		return Object{}, false, err
	}
	if !info.Mode().IsRegular() {
		return NewObject(filepath.ToSlash(name), -1, ""), false, nil
	}
	return NewObject(filepath.ToSlash(name), info.Size(), etagOf(info)), true, nil
}

// etagOf tells two versions of a file apart by size and time of change.
func etagOf(info fs.FileInfo) string {
	return strconv.FormatInt(info.Size(), 10) + "-" + strconv.FormatInt(info.ModTime().UnixNano(), 10)
}

func (f *folder) Open(ctx context.Context, o Object) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	file, err := os.Open(filepath.FromSlash(o.Key))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", o.Key, reason(err))
	}
	info, err := file.Stat()
	if err == nil && o.ETag != "" && etagOf(info) != o.ETag {
		err = ErrChanged
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("read %s: %w", o.Key, reason(err))
	}
	return file, nil
}
