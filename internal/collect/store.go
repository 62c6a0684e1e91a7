package collect

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/rebuild"
	"github.com/athenatrail/athenatrail/internal/source"
)

// store writes a batch: facts, then marks, then the ledger. Batches must be
// stored in the order in which they were gathered, one after the other: a log
// file's row is in the batch that holds its last facts, and may be written
// only when the earlier ones are in place.
//
// Marks are set whether or not a fact was new. A run that was killed between
// facts and marks has left facts that nobody derived from, and the next run
// reads the same log file again.
func (r *run) store(ctx context.Context, b *batch) error {
	var mu sync.Mutex
	changed := func(_ athenatrail.Partition, n int) {
		mu.Lock()
		defer mu.Unlock()
		r.sum.Changed += int64(n)
	}
	group, c := errgroup.WithContext(ctx)
	group.SetLimit(r.Jobs)
	merge(c, group, r.Lake, lake.Events, b.facts.Events, changed)
	merge(c, group, r.Lake, lake.SessionEvents, b.facts.SessionEvents, changed)
	merge(c, group, r.Lake, lake.RoleSessions, b.facts.RoleSessions, changed)
	merge(c, group, r.Lake, lake.DataAccess, b.facts.DataAccess, changed)
	merge(c, group, r.Lake, lake.QueryTexts, b.facts.Texts, changed)
	if err := group.Wait(); err != nil {
		return err
	}
	if err := r.mark(ctx, b.facts.Events); err != nil {
		return err
	}
	if err := r.Ledger.Record(ctx, b.files); err != nil {
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

// mark marks the days to derive because of events: their own, and those
// around it that hold something of the same query execution.
func (r *run) mark(ctx context.Context, events []athenatrail.Event) error {
	ids := map[athenatrail.Partition]map[string]bool{}
	copies := map[athenatrail.Partition]map[string]bool{} // of events that several accounts got
	for i := range events {
		e := &events[i]
		if ids[e.Home] == nil {
			ids[e.Home] = map[string]bool{}
		}
		if e.QueryExecutionID != "" {
			ids[e.Home][e.QueryExecutionID] = true
		}
		if e.SharedEventID != "" && e.Name == rebuild.StartEvent {
			if copies[e.Home] == nil {
				copies[e.Home] = map[string]bool{}
			}
			copies[e.Home][e.SharedEventID] = true
		}
	}
	marks := map[athenatrail.Partition]bool{}
	for p, ids := range ids {
		marks[p] = true
		for _, d := range []athenatrail.Date{p.Date - 1, p.Date + 1} {
			shares, err := r.shares(ctx, p.On(d), ids)
			if err != nil {
				return err
			}
			if shares {
				marks[p.On(d)] = true
			}
		}
	}
	for p, ids := range copies {
		near, err := rebuild.Copies(ctx, r.Lake, p, ids)
		if err != nil {
			return err
		}
		for q := range near {
			marks[q] = true
		}
	}
	for _, p := range slices.SortedFunc(maps.Keys(marks), athenatrail.Partition.Compare) {
		if err := r.Lake.Mark(ctx, p, r.RunID); err != nil {
			return fmt.Errorf("mark %s to be derived: %w", p, err)
		}
	}
	return nil
}

// shares tells whether a day holds an event or a detail of one of ids.
func (r *run) shares(ctx context.Context, p athenatrail.Partition, ids map[string]bool) (bool, error) {
	type event struct {
		ID string `parquet:"query_execution_id,optional"`
	}
	type detail struct {
		ID string `parquet:"id"`
	}
	for e, err := range lake.ReadAs[event](ctx, r.Lake, lake.Events, p) {
		if err != nil || ids[e.ID] {
			return err == nil, err
		}
	}
	for d, err := range lake.ReadAs[detail](ctx, r.Lake, lake.Details, p) {
		if err != nil || ids[d.ID] {
			return err == nil, err
		}
	}
	return false, nil
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
