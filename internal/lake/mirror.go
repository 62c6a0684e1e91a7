package lake

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/sync/errgroup"

	"github.com/athenatrail/athenatrail"
)

const (
	mirrorIndex   = ".mirror.json"
	mirrorLock    = ".mirror.lock"
	mirrorFetches = 16
)

// mirrored are the prefixes that a mirror holds: what reports read.
var mirrored = []string{manifestKey, "tables/", "facts/bill/", "facts/catalog/", "facts/limit_actions/", "facts/notices/", "facts/reference/", textsPrefix, "_ledger/"}

// textsPrefix holds the SQL. Reading it is a permission of its own, and who
// lacks it gets all reports without it.
const textsPrefix = "facts/query_texts/"

// isDenied tells an answer of AWS that says that the caller may not.
func isDenied(err error) bool {
	var api interface{ ErrorCode() string }
	return errors.As(err, &api) && (api.ErrorCode() == "AccessDenied" || api.ErrorCode() == "Forbidden")
}

// A mirrorEntry is what a mirror knows of a file that it holds.
type mirrorEntry struct {
	ETag string `json:"etag"`
	Size int64  `json:"size"`
}

// Mirror makes dir a copy of what reports read of a lake: its tables,
// references, limit actions, texts and ledger. Files that dir holds with the same ETag are not fetched again,
// files that are gone from the lake are removed. Each file is replaced whole,
// so dir may be read meanwhile. Processes that mirror into the same folder
// wait for each other.
//
// The boundary of closed days is read first and written last: whatever is
// compacted meanwhile, the copy has the files of the days on both sides of the
// boundary that it has. Open files that are gone since stay for copyGrace, for
// readers who looked at the copy's boundary before.
//
// The folder is a cache, to be removed at will; the next Mirror makes it again.
// What its index tells of is on disk before the index is, so that a loss of
// power leaves nothing that the next Mirror would take for the lake's.
func Mirror(ctx context.Context, store Store, dir string) error {
	return MirrorOn(ctx, store, dir, OSFiles{})
}

// MirrorOn is Mirror with all changes of the folder made through files.
func MirrorOn(ctx context.Context, store Store, dir string, files Files) error {
	disk, err := openDisk(dir, files)
	if err == nil {
		err = disk.makeDir(disk.root)
	}
	if err != nil {
		return fmt.Errorf("mirror: %w", err)
	}
	lock := flock.New(filepath.Join(disk.root, mirrorLock), flock.SetPermissions(0o666))
	if _, err := lock.TryLockContext(ctx, lockPoll*10); err != nil {
		return fmt.Errorf("mirror: lock %s: %w", dir, err)
	}
	defer lock.Close()

	m := &mirror{store: store, disk: disk, have: readMirrorIndex(disk.root), seen: map[string]bool{}}
	boundary, err := store.Read(ctx, boundaryKey)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err == nil {
		err = m.fetchChanged(ctx)
	}
	if err == nil {
		err = m.moveBoundary(boundary)
	}
	if err == nil {
		err = m.removeGone()
	}
	// What was fetched counts even where something else failed.
	if err := errors.Join(err, m.writeIndex()); err != nil {
		return fmt.Errorf("mirror %s: %w", store, err)
	}
	return nil
}

type mirror struct {
	store Store
	disk  *diskStore // whose lock all who mirror into the folder share
	seen  map[string]bool

	// before is the copy's boundary, and moved when the copy got it.
	before athenatrail.Date
	moved  time.Time

	mu   sync.Mutex
	have map[string]mirrorEntry
}

func readMirrorIndex(dir string) map[string]mirrorEntry {
	have := map[string]mirrorEntry{}
	data, err := os.ReadFile(filepath.Join(dir, mirrorIndex))
	if err != nil || json.Unmarshal(data, &have) != nil {
		return map[string]mirrorEntry{}
	}
	return have
}

func (m *mirror) path(key string) string { return filepath.Join(m.disk.root, filepath.FromSlash(key)) }

// fetchChanged fetches what the folder does not hold, or holds otherwise.
func (m *mirror) fetchChanged(ctx context.Context) error {
	group, fetching := errgroup.WithContext(ctx)
	group.SetLimit(mirrorFetches)
	list := func() error {
		for _, prefix := range mirrored {
			for file, err := range m.store.List(fetching, prefix) {
				if prefix == textsPrefix && isDenied(err) {
					break
				}
				if err != nil {
					return err
				}
				// Verify names what has no place in a lake.
				if checkKey(file.Key) != nil || file.Key == boundaryKey {
					continue
				}
				m.seen[file.Key] = true
				if m.holds(file) {
					continue
				}
				group.Go(func() error {
					err := m.fetch(fetching, file)
					if strings.HasPrefix(file.Key, textsPrefix) && isDenied(err) {
						return nil
					}
					return err
				})
			}
		}
		return nil
	}
	err := list()
	if fetchErr := group.Wait(); fetchErr != nil {
		return fetchErr
	}
	return err
}

// holds reports whether the folder has the file as listed. The size is looked
// up again, since an index that survived a loss of power may speak of a file
// that did not.
func (m *mirror) holds(file File) bool {
	m.mu.Lock()
	entry, ok := m.have[file.Key]
	m.mu.Unlock()
	if !ok || entry.ETag != file.ETag {
		return false
	}
	info, err := os.Stat(m.path(file.Key))
	return err == nil && info.Size() == entry.Size
}

func (m *mirror) fetch(ctx context.Context, file File) error {
	var data []byte
	if file.Size > 0 { // marks are empty
		var err error
		data, err = m.store.Read(ctx, file.Key)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed since it was listed; the next mirror sees that
		}
		if err != nil {
			return err
		}
	}
	if err := m.disk.write(m.path(file.Key), data); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	// If the file was written between listing and reading, its ETag is newer
	// than this one, and the next mirror fetches it again.
	m.have[file.Key] = mirrorEntry{file.ETag, int64(len(data))}
	return nil
}

// copyGrace is for how long a copy keeps open files of days that are closed.
// Programs that show a copy look at it every few seconds.
const copyGrace = time.Hour

// moveBoundary gives the copy the boundary as it was before anything else was
// listed; nil if there was none.
func (m *mirror) moveBoundary(data []byte) error {
	if data == nil {
		return nil
	}
	m.seen[boundaryKey] = true
	b, err := parseBoundary(data)
	if err != nil {
		return fmt.Errorf("%s: %w", boundaryKey, err)
	}
	path := m.path(boundaryKey)
	if old, err := os.ReadFile(path); err != nil || !bytes.Equal(old, data) {
		if err := m.disk.write(path, data); err != nil {
			return err
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	m.before, m.moved = b.Before, info.ModTime()
	return nil
}

// stays reports whether a file that is gone from the lake is to be kept for a
// while.
func (m *mirror) stays(key string) bool {
	if time.Since(m.moved) > copyGrace {
		return false
	}
	for _, t := range allTables {
		if name, ok := strings.CutPrefix(key, t.dir()); ok {
			p, err := parseFileName(name)
			return err == nil && p.Date < m.before
		}
	}
	return false
}

// removeGone removes files that the lake does not have, also those that no
// index tells of: reports would read them. Temporary files of killed mirrors
// go too, as nobody else is at it.
func (m *mirror) removeGone() error {
	err := filepath.WalkDir(m.disk.root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(m.disk.root, path)
		if err != nil {
			return err
		}
		key := filepath.ToSlash(rel)
		if m.seen[key] || m.stays(key) || key == mirrorIndex || key == mirrorLock || strings.HasPrefix(key, locksDir+"/") {
			return nil
		}
		delete(m.have, key)
		return m.disk.remove(path)
	})
	for key := range m.have {
		if !m.seen[key] { // also of what stays: nobody fetches it
			delete(m.have, key)
		}
	}
	return err
}

func (m *mirror) writeIndex() error {
	data, err := json.Marshal(m.have)
	if err != nil {
		return err
	}
	path := m.path(mirrorIndex)
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
		return nil // as it mostly is, and somebody may look every few seconds
	}
	return m.disk.write(path, data)
}
