package lake

import (
	"context"
	"strings"
	"sync"
)

// Reading returns the lake for one pass of reading over many partitions: a
// closed file, which holds the rows of many, is fetched once for those that are
// read one after the other.
func (l *Lake) Reading() *Lake {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &Lake{Store: &holder{Store: l.Store}, exists: l.exists}
}

// A holder is a store that remembers the closed file that was read last.
type holder struct {
	Store

	mu   sync.Mutex
	key  string
	data []byte
}

func (h *holder) Read(ctx context.Context, key string) ([]byte, error) {
	if !strings.HasPrefix(key, "tables/") || !strings.Contains(key, "_closed/") {
		return h.Store.Read(ctx, key)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.key == key {
		return h.data, nil
	}
	data, err := h.Store.Read(ctx, key)
	if err == nil {
		h.key, h.data = key, data
	}
	return data, err
}
