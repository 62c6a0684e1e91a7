package ledger

import (
	"context"
	"sync"
)

// cachedShards bounds what a Lookup remembers: all shards of log files whose
// names tell nothing, which come in any order, and some of the others, which
// come one after the other.
const cachedShards = 256 + 64

// A Lookup tells which log files were read before. It reads each of the
// ledger's files once, and so does not see what is recorded meanwhile. It may
// be used by many goroutines.
type Lookup struct {
	ledger *Ledger

	mu     sync.Mutex
	shards map[string]*lookupShard
	order  []string // of reading, the oldest first
}

type lookupShard struct {
	once  sync.Once
	etags map[string]string // by name
	err   error
}

// lookupRow is the part of a [File] that a Lookup reads.
type lookupRow struct {
	Key  string `parquet:"key"`
	ETag string `parquet:"etag"`
}

// Lookup returns a new Lookup, for one listing of a source.
func (l *Ledger) Lookup() *Lookup {
	return &Lookup{ledger: l, shards: map[string]*lookupShard{}}
}

// Known reports whether a log file of that name was read with that ETag. Of a
// file that was read, one with another ETag, or with none, is not known.
func (k *Lookup) Known(ctx context.Context, shard Shard, key, etag string) (bool, error) {
	name := shard.key(key)
	k.mu.Lock()
	s := k.shards[name]
	if s == nil {
		if len(k.order) == cachedShards {
			delete(k.shards, k.order[0])
			k.order = k.order[1:]
		}
		s = &lookupShard{}
		k.shards[name] = s
		k.order = append(k.order, name)
	}
	k.mu.Unlock()
	s.once.Do(func() {
		s.etags = map[string]string{}
		for row, err := range read[lookupRow](ctx, k.ledger.store, name) {
			if err != nil {
				s.err = err
				return
			}
			s.etags[row.Key] = row.ETag
		}
	})
	if s.err != nil {
		return false, s.err
	}
	known, ok := s.etags[key]
	return ok && etag != "" && known == etag, nil
}
