package collect

import (
	"context"
	"encoding/json"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/source"
)

// store writes facts, then marks, then rows of the ledger. Batches must be
// stored in the order in which they were gathered, one after the other: a log
// file's row is in the batch that holds its last facts, and may be written
// only when the earlier ones are in place.
//
// Marks are set whether or not a fact was new. A run that was killed between
// facts and marks has left facts that nobody derived from, and the next run
// reads the same log file again.
func (r *run) store(ctx context.Context, facts *cloudtrail.Facts, files []ledger.File) error {
	if err := r.entrance.facts(ctx, facts); err != nil {
		return err
	}
	changed := func(_ athenatrail.Partition, n int) {
		r.locked(func() { r.sum.Changed += int64(n) })
	}
	group, c := errgroup.WithContext(ctx)
	group.SetLimit(r.Jobs)
	merge(c, group, r.Lake, lake.Events, facts.Events, changed)
	merge(c, group, r.Lake, lake.SessionEvents, facts.SessionEvents, changed)
	merge(c, group, r.Lake, lake.RoleSessions, facts.RoleSessions, changed)
	merge(c, group, r.Lake, lake.DataAccess, facts.DataAccess, changed)
	merge(c, group, r.Lake, lake.QueryTexts, facts.Texts, changed)
	if err := group.Wait(); err != nil {
		return err
	}
	if err := r.mark(ctx, facts); err != nil {
		return err
	}
	if err := r.Ledger.Record(ctx, files); err != nil {
		return fmt.Errorf("write the ledger: %w", err)
	}
	return nil
}

// merge stores rows of one kind of fact, each partition by a goroutine, and
// tells how many were new or better than those held.
func merge[T any](ctx context.Context, group *errgroup.Group, l *lake.Lake, fact *lake.Fact[T], rows []T, changed func(p athenatrail.Partition, n int)) {
	for p, rows := range byPartition(fact, rows) {
		group.Go(func() error {
			n, err := lake.Merge(ctx, l, fact, p, rows)
			if err != nil {
				return err
			}
			changed(p, n)
			return nil
		})
	}
}

func byPartition[T any](fact *lake.Fact[T], rows []T) map[athenatrail.Partition][]T {
	parts := map[athenatrail.Partition][]T{}
	for i := range rows {
		p := fact.Home(&rows[i])
		parts[p] = append(parts[p], rows[i])
	}
	return parts
}

// fileRow is the ledger's row of a log file.
func fileRow(o source.Object, t cloudtrail.Tally) ledger.File {
	row := ledger.File{
		Shard:            place(o),
		Key:              o.Key,
		ETag:             o.ETag,
		Size:             o.Size,
		Delivered:        o.Delivered,
		DecoderVersion:   cloudtrail.DecoderVersion,
		BytesInflated:    t.Inflated,
		Closed:           t.Closed,
		Records:          t.Records,
		Candidates:       t.Candidates,
		KeptEvents:       t.Kept.Events,
		KeptRoleSessions: t.Kept.RoleSessions,
		KeptDataAccess:   t.Kept.DataAccess,
		Undecodable:      t.Undecodable,
		NewestEventTime:  t.Newest,
		Damage:           t.Damage,
	}
	for _, n := range t.Dropped {
		row.Dropped += n
	}
	if len(t.Dropped) > 0 {
		row.DroppedReasons = jsonText(t.Dropped)
	}
	if len(t.Problems) > 0 {
		row.Problems = jsonText(t.Problems)
	}
	return row
}

// jsonText writes what encoding/json cannot fail on; map keys come sorted.
func jsonText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}
