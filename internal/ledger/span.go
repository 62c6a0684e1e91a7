package ledger

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/athenatrail/athenatrail"
)

// A Name is what a row of the ledger is known by.
type Name struct {
	Key  string `parquet:"key"`
	ETag string `parquet:"etag"`
}

// Named yields the names, beginning with prefix, of what was read of an
// account and region and delivered on the day from or later: by days, and
// within a day in their order. A feed finds by them which time it asked for.
// An error is the last thing yielded.
func (l *Ledger) Named(ctx context.Context, account, region string, from athenatrail.Date, prefix string) iter.Seq2[Name, error] {
	return func(yield func(Name, error) bool) {
		if !isName(account) || !isName(region) {
			yield(Name{}, fmt.Errorf("read the ledger of account %q in %q: not the name of a folder", account, region))
			return
		}
		for listed, err := range l.store.List(ctx, root+account+"/"+region+"/") {
			if err != nil {
				yield(Name{}, fmt.Errorf("list the ledger: %w", err))
				return
			}
			if shard, ok := parseShard(listed.Key); !ok || !shard.Known || shard.Day < from {
				continue
			}
			for row, err := range read[Name](ctx, l.store, listed.Key) {
				if err != nil {
					yield(Name{}, err)
					return
				}
				if strings.HasPrefix(row.Key, prefix) && !yield(*row, nil) {
					return
				}
			}
		}
	}
}
