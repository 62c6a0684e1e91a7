package lake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

const (
	locksDir   = "_locks"
	tempPrefix = ".tmp-" // readers ignore names that begin with a dot
	tempAge    = time.Hour
	lockPoll   = 5 * time.Millisecond
)

// A diskStore is a folder. A file is replaced by renaming a temporary file of
// the same folder over it, under a lock that all processes share; what Update
// and Put have returned from survives a loss of power.
type diskStore struct {
	root  string
	files Files
	locks *stripes

	mu      sync.Mutex
	synced  map[string]bool // folders whose entry in their parent is on disk
	cleaned map[string]bool // folders rid of old temporary files
}

// OpenStore returns the store in a folder, which need not exist yet: it is
// made by the first write.
func OpenStore(dir string) (Store, error) { return OpenStoreOn(dir, OSFiles{}) }

// OpenStoreOn is OpenStore with all changes made through files.
func OpenStoreOn(dir string, files Files) (Store, error) { return openDisk(dir, files) }

func openDisk(dir string, files Files) (*diskStore, error) {
	root, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("lake %s: %w", dir, err)
	}
	if info, err := os.Stat(root); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("lake %s: it is a file, want a folder", dir)
	}
	return &diskStore{root: root, files: files, locks: newStripes(), synced: map[string]bool{}, cleaned: map[string]bool{}}, nil
}

func (s *diskStore) String() string { return s.root }

func (s *diskStore) path(key string) (string, error) {
	if err := checkKey(key); err != nil {
		return "", err
	}
	return filepath.Join(s.root, filepath.FromSlash(key)), nil
}

func (s *diskStore) Read(ctx context.Context, key string) ([]byte, error) {
	path, err := s.path(key)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

func (s *diskStore) Tail(ctx context.Context, key string, n int64) ([]byte, int64, error) {
	path, err := s.path(key)
	if err != nil {
		return nil, 0, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	size := info.Size()
	tail := make([]byte, min(n, size))
	if _, err := f.ReadAt(tail, size-int64(len(tail))); err != nil && err != io.EOF {
		return nil, 0, err
	}
	return tail, size, nil
}

// lock takes the lock of a key's stripe. The lock files lie apart from the
// data and are never removed, since removing one that another process is about
// to take would let two in.
func (s *diskStore) lock(ctx context.Context, key string) (unlock func(), err error) {
	n := stripe(key)
	release, err := s.locks.lock(ctx, n)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(s.root, locksDir)
	if err := s.makeDir(dir); err != nil {
		release()
		return nil, err
	}
	lock := flock.New(filepath.Join(dir, fmt.Sprintf("%02x", n)), flock.SetPermissions(0o666))
	if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
		release()
		return nil, fmt.Errorf("lock %s: %w", lock.Path(), err)
	}
	return func() {
		lock.Close() // which unlocks
		release()
	}, nil
}

func (s *diskStore) Update(ctx context.Context, key string, change func([]byte) ([]byte, error)) error {
	path, err := s.path(key)
	if err != nil {
		return err
	}
	unlock, err := s.lock(ctx, key)
	if err != nil {
		return err
	}
	defer unlock()

	old, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		old = nil
	case err != nil:
		return err
	case old == nil:
		old = []byte{}
	}
	data, err := change(old)
	switch {
	case errors.Is(err, ErrRemove):
		return s.remove(path)
	case err != nil:
		return err
	case data == nil, old != nil && bytes.Equal(old, data):
		return nil
	}
	return s.write(path, data)
}

func (s *diskStore) Put(ctx context.Context, key string, data []byte) error {
	path, err := s.path(key)
	if err != nil {
		return err
	}
	unlock, err := s.lock(ctx, key)
	if err != nil {
		return err
	}
	defer unlock()
	return s.write(path, data)
}

func (s *diskStore) Delete(ctx context.Context, key string) error {
	path, err := s.path(key)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	unlock, err := s.lock(ctx, key)
	if err != nil {
		return err
	}
	defer unlock()
	return s.remove(path)
}

// remove removes a file and the folders that it leaves empty. Another process
// may be about to write into one of them; it will find it gone and make it
// again, see write.
func (s *diskStore) remove(path string) error {
	if err := s.files.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	dir := filepath.Dir(path)
	err := s.files.SyncDir(dir)
	for ; dir != s.root; dir = filepath.Dir(dir) {
		if s.files.Remove(dir) != nil { // it is not empty
			break
		}
		s.mu.Lock()
		delete(s.synced, dir)
		s.mu.Unlock()
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// write replaces a file, with its lock held.
func (s *diskStore) write(path string, data []byte) error {
	dir := filepath.Dir(path)
	s.removeOldTemps(dir)
	var temp NewFile
	var name string
	for try := 0; ; try++ {
		err := s.makeDir(dir)
		if err == nil {
			name = filepath.Join(dir, fmt.Sprintf("%s%016x", tempPrefix, rand.Uint64()))
			temp, err = s.files.Create(name, s.mode(path))
		}
		if err == nil {
			break
		}
		// A remove elsewhere may have taken one of the folders, still empty.
		if !errors.Is(err, fs.ErrNotExist) || try == 100 {
			return err
		}
	}
	err := func() error {
		if _, err := temp.Write(data); err != nil {
			return err
		}
		if err := temp.Sync(); err != nil {
			return err
		}
		if err := temp.Close(); err != nil {
			return err
		}
		return s.files.Rename(name, path)
	}()
	if err != nil {
		temp.Close()
		s.files.Remove(name)
		return err
	}
	if err := s.files.SyncDir(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil // somebody has removed the file since
}

// mode returns the permissions of a file: those that the process gives, but for
// what is private.
func (s *diskStore) mode(path string) fs.FileMode {
	if within(path, filepath.Join(s.root, filepath.FromSlash(privateDir))) {
		return 0o600
	}
	return 0o666
}

// makeDir makes a folder of the store, and those above that are missing, and
// puts it on disk: a folder that is new, or that another process may just have
// made, is synced into its parent, and so are those above, up to the store's
// own.
func (s *diskStore) makeDir(dir string) error {
	s.mu.Lock()
	known := s.synced[dir]
	s.mu.Unlock()
	parent := filepath.Dir(dir)
	if !known && dir != s.root && within(dir, s.root) {
		if err := s.makeDir(parent); err != nil {
			return err
		}
	}
	err := s.files.Mkdir(dir)
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrExist):
		if known {
			return nil
		}
		if info, err := os.Stat(dir); err == nil && !info.IsDir() {
			return fmt.Errorf("make folder %s: there is a file of that name", dir)
		}
	case errors.Is(err, fs.ErrNotExist) && parent != dir:
		if err := s.makeDir(parent); err != nil {
			return err
		}
		return s.makeDir(dir)
	default:
		return err
	}
	if err := s.files.SyncDir(parent); err != nil && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	s.mu.Lock()
	s.synced[dir] = true
	s.mu.Unlock()
	return nil
}

// within reports whether a path lies below a folder.
func within(path, folder string) bool {
	return strings.HasPrefix(path, strings.TrimSuffix(folder, string(filepath.Separator))+string(filepath.Separator))
}

// removeOldTemps removes what killed processes have left in a folder, when
// this process first writes into it.
func (s *diskStore) removeOldTemps(dir string) {
	s.mu.Lock()
	done := s.cleaned[dir]
	s.cleaned[dir] = true
	s.mu.Unlock()
	if done {
		return
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // there is no such folder yet, or the write will say what is wrong
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), tempPrefix) {
			continue
		}
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > tempAge {
			s.files.Remove(filepath.Join(dir, entry.Name()))
		}
	}
}

func (s *diskStore) List(ctx context.Context, prefix string) iter.Seq2[File, error] {
	return func(yield func(File, error) bool) {
		if err := checkPrefix(prefix); err != nil {
			yield(File{}, err)
			return
		}
		dir := prefix[:strings.LastIndexByte(prefix, '/')+1]
		s.walk(ctx, dir, prefix, yield)
	}
}

// walk lists the files of a folder, whose key is empty or ends in a slash. It
// reports whether to go on.
func (s *diskStore) walk(ctx context.Context, dir, prefix string, yield func(File, error) bool) bool {
	if err := ctx.Err(); err != nil {
		yield(File{}, err)
		return false
	}
	entries, err := os.ReadDir(filepath.Join(s.root, filepath.FromSlash(dir)))
	if errors.Is(err, fs.ErrNotExist) {
		return true // it has gone since, or there never was one
	}
	if err != nil {
		yield(File{}, err)
		return false
	}
	name := func(e fs.DirEntry) string {
		if e.IsDir() {
			return e.Name() + "/" // as it sorts within a key
		}
		return e.Name()
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(name(a), name(b)) })
	for _, entry := range entries {
		key := dir + name(entry)
		switch {
		case entry.Name()[0] == '.', key == locksDir+"/":
			continue
		case !strings.HasPrefix(key, prefix):
			continue
		case entry.IsDir():
			if !s.walk(ctx, key, prefix, yield) {
				return false
			}
			continue
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			yield(File{}, err)
			return false
		}
		f := File{
			Key: key, Size: info.Size(), Modified: info.ModTime().UTC(),
			ETag: fmt.Sprintf("%x-%x", info.ModTime().UnixNano(), info.Size()),
		}
		if !yield(f, nil) {
			return false
		}
	}
	return true
}
