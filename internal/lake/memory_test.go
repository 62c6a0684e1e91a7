package lake_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/athenatrail/athenatrail/internal/lake"
)

// A memory is a store for property tests, which write thousands of files and
// would spend their time waiting for the disk.
type memory struct {
	mu    sync.Mutex
	files map[string][]byte
}

func newMemory() *memory { return &memory{files: map[string][]byte{}} }

func (m *memory) Read(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.files[key]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return bytes.Clone(data), nil
}

func (m *memory) Tail(ctx context.Context, key string, n int64) ([]byte, int64, error) {
	data, err := m.Read(ctx, key)
	size := int64(len(data))
	return data[max(0, size-n):], size, err
}

func (m *memory) Update(_ context.Context, key string, change func([]byte) ([]byte, error)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, err := change(m.files[key])
	if errors.Is(err, lake.ErrRemove) {
		delete(m.files, key)
		return nil
	}
	if err == nil && data != nil {
		m.files[key] = data
	}
	return err
}

func (m *memory) Put(_ context.Context, key string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[key] = append([]byte{}, data...)
	return nil
}

func (m *memory) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, key)
	return nil
}

func (m *memory) List(_ context.Context, prefix string) iter.Seq2[lake.File, error] {
	return func(yield func(lake.File, error) bool) {
		m.mu.Lock()
		keys := slices.Sorted(maps.Keys(m.files))
		m.mu.Unlock()
		for _, key := range keys {
			m.mu.Lock()
			data := m.files[key]
			m.mu.Unlock()
			f := lake.File{Key: key, Size: int64(len(data)), ETag: fmt.Sprintf("%x", sha256.Sum256(data))}
			if strings.HasPrefix(key, prefix) && !yield(f, nil) {
				return
			}
		}
	}
}

func (m *memory) String() string { return "memory" }
