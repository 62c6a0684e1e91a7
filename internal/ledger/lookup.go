package ledger

import (
	"context"
	"sync"
	"sync/atomic"
)

// cachedShards bounds what a Lookup remembers: all shards of log files whose
// names tell nothing, which come in any order, and some of the others, which
// come one after the other.
const cachedShards = 256 + 64

// expectAtOnce is how many of the ledger's files are read side by side.
const expectAtOnce = 8

// A Lookup tells which log files were read before. It reads each of the
// ledger's files once, and so does not see what is recorded meanwhile. It may
// be used by many goroutines.
type Lookup struct {
	ledger *Ledger
	slots  chan struct{} // of files being read ahead

	mu     sync.Mutex
	shards map[string]*lookupShard
	order  []string // of reading, the oldest first
}

type lookupShard struct {
	claimed atomic.Bool       // somebody reads it, or has
	done    chan struct{}     // closed when it is read
	etags   map[string]string // by name
	err     error
}

// lookupRow is the part of a [File] that a Lookup reads.
type lookupRow struct {
	Key  string `parquet:"key"`
	ETag string `parquet:"etag"`
}

// Lookup returns a new Lookup, for one listing of a source.
func (l *Ledger) Lookup() *Lookup {
	return &Lookup{ledger: l, slots: make(chan struct{}, expectAtOnce), shards: map[string]*lookupShard{}}
}

// Expect says that Known will be asked for a log file, so that what it needs
// is read meanwhile. It returns at once. On S3 each of the ledger's files takes
// some 30 ms, and a listing of many accounts needs thousands.
func (k *Lookup) Expect(ctx context.Context, shard Shard, key string) {
	name := shard.key(key)
	s, isNew := k.shard(name)
	if !isNew {
		return
	}
	go func() {
		select {
		case k.slots <- struct{}{}:
			defer func() { <-k.slots }()
			k.load(ctx, name, s)
		case <-ctx.Done():
		}
	}()
}

// Known reports whether a log file of that name was read with that ETag. Of a
// file that was read, one with another ETag, or with none, is not known.
func (k *Lookup) Known(ctx context.Context, shard Shard, key, etag string) (bool, error) {
	name := shard.key(key)
	s, _ := k.shard(name)
	k.load(ctx, name, s)
	if s.err != nil {
		return false, s.err
	}
	known, ok := s.etags[key]
	return ok && etag != "" && known == etag, nil
}

// shard returns what is remembered of one of the ledger's files.
func (k *Lookup) shard(name string) (s *lookupShard, isNew bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s := k.shards[name]; s != nil {
		return s, false
	}
	if len(k.order) == cachedShards {
		delete(k.shards, k.order[0])
		k.order = k.order[1:]
	}
	s = &lookupShard{done: make(chan struct{})}
	k.shards[name] = s
	k.order = append(k.order, name)
	return s, true
}

// load reads one of the ledger's files, or waits until somebody else has.
func (k *Lookup) load(ctx context.Context, name string, s *lookupShard) {
	if s.claimed.Swap(true) {
		<-s.done
		return
	}
	defer close(s.done)
	s.etags = map[string]string{}
	for row, err := range read[lookupRow](ctx, k.ledger.store, name) {
		if err != nil {
			s.err = err
			return
		}
		s.etags[row.Key] = row.ETag
	}
}
