package lake

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
)

// A Store is a folder or a bucket's prefix: files named by keys such as
// facts/events/dt=2024-05-13/111122223333_eu-west-1.parquet. Every file is
// replaced whole, so that readers see the old one or the new one and nothing
// between. A Store may be used by many goroutines and many processes at once.
type Store interface {
	// Read returns a file's contents. If there is none, the error is
	// fs.ErrNotExist.
	Read(ctx context.Context, key string) ([]byte, error)

	// Tail returns the last n bytes of a file, or all of a shorter one, and
	// the whole file's size. If there is none, the error is fs.ErrNotExist.
	Tail(ctx context.Context, key string, n int64) (tail []byte, size int64, err error)

	// Update replaces a file by what change makes of it. Change gets nil if
	// there is no file. Where it returns nil or what it was given, nothing is
	// written; where it returns [ErrRemove], the file is removed; any other
	// error ends the update and is returned as it is. No other update falls
	// between what change was given and what is written of it.
	//
	// Change may be called several times. If the answer to a write is lost on
	// the way, it is called again on its own result, so it should then find
	// nothing to do.
	Update(ctx context.Context, key string, change func(old []byte) ([]byte, error)) error

	// Put writes a file whatever was there before.
	Put(ctx context.Context, key string, data []byte) error

	// Delete removes a file. That there is none is no error.
	Delete(ctx context.Context, key string) error

	// List returns the files whose keys begin with prefix, ordered by the
	// bytes of their keys. An error is the last thing yielded.
	List(ctx context.Context, prefix string) iter.Seq2[File, error]

	// String names the folder or the bucket in messages.
	String() string
}

// A File is what a listing tells of a file.
type File struct {
	Key      string
	Size     int64
	ETag     string // opaque; another one when the file was written again
	Modified time.Time
}

// ErrRemove is what the function given to [Store.Update] returns to have the
// file removed.
var ErrRemove = errors.New("remove the file")

// checkKey refuses keys that could name something outside the store, or a file
// that a file system, a URL or a terminal would take for something else. Parts
// of keys come out of log files.
func checkKey(key string) error {
	if key == "" || len(key) > 900 {
		return fmt.Errorf("key %.60q: want 1 to 900 bytes", key)
	}
	for part := range strings.SplitSeq(key, "/") {
		if part == "" || part[0] == '.' || len(part) > 200 {
			return fmt.Errorf("key %q: part %q: want 1 to 200 bytes, not beginning with a dot", key, part)
		}
	}
	if first, _, _ := strings.Cut(key, "/"); first == locksDir {
		return fmt.Errorf("key %q: %s is not for files", key, locksDir)
	}
	return checkPrefix(key)
}

// checkPrefix refuses the characters that [checkKey] refuses.
func checkPrefix(prefix string) error {
	for i := range len(prefix) {
		c := prefix[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("/=_.-", c) >= 0) {
			return fmt.Errorf("key %q: want letters, digits and = _ . - between slashes", prefix)
		}
	}
	if strings.Contains("/"+prefix, "/.") {
		return fmt.Errorf("key %q: a part begins with a dot", prefix)
	}
	return nil
}

// stripes are locks within this process, one for every 1/64 of the keys. They
// keep goroutines from competing for what only one of them can have at a time.
type stripes [64]chan struct{}

func newStripes() *stripes {
	s := new(stripes)
	for i := range s {
		s[i] = make(chan struct{}, 1)
	}
	return s
}

// stripe returns a key's number, the same in every process and version (FNV-1a).
func stripe(key string) int {
	h := uint32(2166136261)
	for i := range len(key) {
		h = (h ^ uint32(key[i])) * 16777619
	}
	return int(h % uint32(len(stripes{})))
}

func (s *stripes) lock(ctx context.Context, n int) (unlock func(), err error) {
	select {
	case s[n] <- struct{}{}:
		return func() { <-s[n] }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
