package lake

import (
	"io/fs"
	"os"
	"runtime"
	"time"
)

// Files is all that a store on disk changes of a file system. It is the
// operating system's, but for tests that record what was done, or let it fail.
type Files interface {
	// Create makes a file that must not exist yet.
	Create(path string, mode fs.FileMode) (NewFile, error)

	// Mkdir makes a folder in one that exists.
	Mkdir(path string) error

	// Rename puts a file in the place of another.
	Rename(from, to string) error

	// Remove removes a file or an empty folder.
	Remove(path string) error

	// SyncDir puts a folder's entries on disk.
	SyncDir(path string) error
}

// A NewFile is one that is being written.
type NewFile interface {
	Write(data []byte) (int, error)
	Sync() error
	Close() error
}

// OSFiles are the operating system's.
type OSFiles struct{}

// Create implements [Files].
func (OSFiles) Create(path string, mode fs.FileMode) (NewFile, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return nil, err // and not a NewFile that holds nil
	}
	return f, nil
}

// Mkdir implements [Files].
func (OSFiles) Mkdir(path string) error { return os.Mkdir(path, 0o777) }

// Rename implements [Files]. On Windows it waits a little for readers to close
// the old file.
func (OSFiles) Rename(from, to string) error {
	for try := 0; ; try++ {
		err := os.Rename(from, to)
		if err == nil || runtime.GOOS != "windows" || try == 20 {
			return err
		}
		time.Sleep(time.Duration(try+1) * 5 * time.Millisecond)
	}
}

// Remove implements [Files].
func (OSFiles) Remove(path string) error { return os.Remove(path) }

// SyncDir implements [Files]. Windows has no such call.
func (OSFiles) SyncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
