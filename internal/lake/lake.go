// Package lake keeps facts and tables as Parquet files, one for each UTC day,
// account and region, in a folder or on S3:
//
//	facts/<fact>/dt=YYYY-MM-DD/<account>_<region>.parquet
//	tables/<table>_open/dt=YYYY-MM-DD/<account>_<region>.parquet
//	tables/<table>_closed/dt=YYYY-MM-DD/all[-N].parquet
//	tables/boundary/boundary.parquet
//	_ledger/v1/dirty/YYYY-MM-DD/<account>_<region>/<run id>-<n>
//	manifest.json
//
// Facts are merged: [Merge] adds rows to what a day has, and of two rows with
// one key the better stays, so that order, repetition and the number of
// writers make no difference to the file's bytes. Tables are replaced whole by
// what was derived from the facts: [Replace]. Days before the [Boundary] are
// closed: each table has one file of such a day, of all accounts and regions,
// and its open files, if they are still there, are read by nobody who looked at
// the boundary since.
//
// A [Store] holds the files; a [Lake] is a store whose format is known.
package lake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
)

// FormatVersion is the version of the lake's layout that this program reads
// and writes. Columns may be added within a version; paths, types and meanings
// may not change.
const FormatVersion = 1

const manifestKey = "manifest.json"

var (
	// ErrNoLake says that there is nothing where a lake was to be read.
	ErrNoLake = errors.New("no lake here")

	// ErrNewer says that the lake, or a file in it, was written by a newer
	// version of the program.
	ErrNewer = errors.New("written by a newer version")

	// ErrWrongPartition says that a row lies elsewhere than where it was to be
	// written.
	ErrWrongPartition = errors.New("row of another partition")
)

// A Lake is a store that holds a lake of a format that this program knows. Its
// methods, and the functions of this package, may be used by many goroutines
// at once.
type Lake struct {
	Store

	mu     sync.Mutex
	exists bool // the manifest is there

	marks    atomic.Int64
	boundary boundaryMemo
}

// A Manifest is manifest.json.
type Manifest struct {
	FormatVersion int `json:"format_version"`

	// RebuiltWith names what the last complete rebuild of all tables was
	// derived with; empty if there was none.
	RebuiltWith string `json:"rebuilt_with,omitempty"`
}

// Open returns the lake in a store, for reading. The error is [ErrNoLake] if
// there is none, and [ErrNewer] if its format is newer than this program.
func Open(ctx context.Context, store Store) (*Lake, error) {
	l, err := Create(ctx, store)
	if err != nil {
		return nil, err
	}
	if !l.exists {
		return nil, fmt.Errorf("%s: %w", store, ErrNoLake)
	}
	return l, nil
}

// liesBeside reports whether a file that is not the lake's may lie in its
// folder: its configuration, the directory of people, and what stands for a
// catalog.
func liesBeside(key string) bool {
	return !strings.Contains(key, "/") && (key == "athenatrail.yaml" || key == "grants.json" || strings.HasSuffix(key, ".csv"))
}

// Create is [Open] for those who write: where there is no lake yet, the first
// write makes one. A folder or prefix that holds other files and no lake is
// refused.
func Create(ctx context.Context, store Store) (*Lake, error) {
	l := &Lake{Store: store}
	_, err := l.Manifest(ctx)
	switch {
	case err == nil:
		l.exists = true
		return l, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	for file, err := range store.List(ctx, "") {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", store, err)
		}
		if liesBeside(file.Key) {
			continue
		}
		// A first write elsewhere may have come between the two looks.
		if _, err := l.Manifest(ctx); err == nil {
			l.exists = true
			return l, nil
		}
		return nil, fmt.Errorf("%s: %w: there are other files (%q) but no %s; name an empty or new place for the lake",
			store, ErrNoLake, file.Key, manifestKey)
	}
	return l, nil
}

// Manifest reads the manifest. The error is fs.ErrNotExist if there is none,
// and [ErrNewer] if it is of a newer format.
func (l *Lake) Manifest(ctx context.Context) (Manifest, error) {
	data, err := l.Store.Read(ctx, manifestKey)
	if err != nil {
		return Manifest{}, fmt.Errorf("%s: %w", l, err)
	}
	return l.parseManifest(data)
}

func (l *Lake) parseManifest(data []byte) (Manifest, error) {
	var m Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return Manifest{}, fmt.Errorf("%s/%s: %w", l, manifestKey, err)
	}
	switch {
	case m.FormatVersion > FormatVersion:
		return Manifest{}, fmt.Errorf("%s: %w: this lake is format version %d; this athenatrail knows %d: install a newer athenatrail",
			l, ErrNewer, m.FormatVersion, FormatVersion)
	case m.FormatVersion < 1:
		return Manifest{}, fmt.Errorf("%s/%s: format_version %d: want 1 or more", l, manifestKey, m.FormatVersion)
	}
	return m, nil
}

// SetRebuiltWith records what all tables have just been derived with.
func (l *Lake) SetRebuiltWith(ctx context.Context, derivedWith string) error {
	return l.updateManifest(ctx, func(m map[string]any) {
		m["rebuilt_with"] = derivedWith
	})
}

// updateManifest changes the manifest, leaving alone what it does not know.
func (l *Lake) updateManifest(ctx context.Context, change func(map[string]any)) error {
	err := l.Store.Update(ctx, manifestKey, func(old []byte) ([]byte, error) {
		m := map[string]any{"format_version": FormatVersion}
		if old != nil {
			if _, err := l.parseManifest(old); err != nil {
				return nil, err
			}
			if err := json.Unmarshal(old, &m); err != nil {
				return nil, err
			}
		}
		change(m)
		data, err := json.MarshalIndent(m, "", "  ") // with sorted keys
		return append(data, '\n'), err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", manifestKey, err)
	}
	return nil
}

// ensure makes the manifest before the first write.
func (l *Lake) ensure(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.exists {
		return nil
	}
	if err := l.updateManifest(ctx, func(map[string]any) {}); err != nil {
		return err
	}
	l.exists = true
	return nil
}

// Update is [Store.Update]. The first call on a new lake makes its manifest.
func (l *Lake) Update(ctx context.Context, key string, change func(old []byte) ([]byte, error)) error {
	if err := l.ensure(ctx); err != nil {
		return err
	}
	return l.Store.Update(ctx, key, change)
}

// Put is [Store.Put]. The first call on a new lake makes its manifest.
func (l *Lake) Put(ctx context.Context, key string, data []byte) error {
	if err := l.ensure(ctx); err != nil {
		return err
	}
	return l.Store.Put(ctx, key, data)
}
