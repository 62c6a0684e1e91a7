package digest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/athenatrail/athenatrail/internal/digest/chain"
)

// sidecar ends the name of the file beside a digest that keeps its metadata:
// what `aws s3api head-object` prints of the object. Copies of a bucket lose
// the metadata, and the signature with it.
const sidecar = ".metadata.json"

const maxSidecar = 1 << 20

// A dirTree is a folder with a copy of a trail.
type dirTree struct {
	root string // absolute, with slashes, ends in one
}

func newDirTree(folder string) (*dirTree, error) {
	info, err := os.Stat(folder)
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", folder, reason(err))
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("source %s: not a folder", folder)
	}
	root, err := filepath.Abs(folder)
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", folder, err)
	}
	return &dirTree{strings.TrimSuffix(filepath.ToSlash(root), "/") + "/"}, nil
}

func reason(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

func (t *dirTree) bucket() string { return "" }
func (t *dirTree) start() string  { return t.root }

func (t *dirTree) folders(_ context.Context, prefix string) (folders []string, err error) {
	entries, err := os.ReadDir(filepath.FromSlash(prefix))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, listing(prefix, reason(err))
	}
	for _, e := range entries {
		if e.IsDir() {
			folders = append(folders, prefix+e.Name()+"/")
		}
	}
	return folders, nil
}

func (t *dirTree) files(ctx context.Context, prefix, after, last string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		err := filepath.WalkDir(filepath.FromSlash(prefix), func(name string, entry fs.DirEntry, err error) error {
			switch key := filepath.ToSlash(name); {
			case ctx.Err() != nil:
				return ctx.Err()
			case errors.Is(err, fs.ErrNotExist):
				return nil
			case err != nil:
				return listing(key, reason(err))
			case entry.IsDir(), after != "" && key <= after, last != "" && key > last:
			case !yield(key, nil):
				return fs.SkipAll
			}
			return nil
		})
		if err != nil {
			yield("", err)
		}
	}
}

// locate returns where in the folder an object lies, by the part of its key
// below AWSLogs. Keys come out of digests: none leads out of the folder.
func (t *dirTree) locate(root string, at chain.Place) (chain.Place, error) {
	local := tail(at.Key)
	if !filepath.IsLocal(filepath.FromSlash(local)) {
		return at, fmt.Errorf("%s: %w: not a name within AWSLogs", at.URL(), chain.ErrDamaged)
	}
	return chain.Place{Key: root + "AWSLogs/" + local}, nil
}

func (t *dirTree) open(_ context.Context, at chain.Place) (io.ReadCloser, map[string]string, error) {
	name := filepath.FromSlash(at.Key)
	file, err := os.Open(name)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", at.Key, reason(err))
	}
	metadata, err := readSidecar(name + sidecar)
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, metadata, nil
}

// readSidecar returns the metadata that head-object printed, nil where there
// is no such file.
func readSidecar(name string) (map[string]string, error) {
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, reason(err))
	}
	defer file.Close()
	var head struct{ Metadata map[string]string }
	if err := json.NewDecoder(io.LimitReader(file, maxSidecar)).Decode(&head); err != nil {
		return nil, fmt.Errorf("read %s: %w: want what aws s3api head-object prints", name, err)
	}
	metadata := map[string]string{}
	for key, value := range head.Metadata {
		metadata[strings.ToLower(key)] = value
	}
	return metadata, nil
}
