package rebuild

import (
	"context"
	"maps"
	"slices"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/derive"
	"github.com/athenatrail/athenatrail/internal/lake"
)

// A shared event is what is read of events to find the copies of one call
// that several accounts got.
type shared struct {
	SharedEventID string `parquet:"shared_event_id,optional"`
}

// Copies returns the partitions of other accounts, in the region of p and on
// the days around it, that hold an event with one of the shared event ids,
// with those ids.
func Copies(ctx context.Context, l *lake.Lake, p athenatrail.Partition, ids map[string]bool) (map[athenatrail.Partition][]string, error) {
	found := map[athenatrail.Partition][]string{}
	for file, err := range lake.Partitions(ctx, l, lake.Events, p.Date-1, p.Date+2) {
		if err != nil {
			return nil, err
		}
		if file.Region != p.Region || file.Account == p.Account {
			continue
		}
		for e, err := range lake.ReadAs[shared](ctx, l, lake.Events, file.Partition) {
			if err != nil {
				return nil, err
			}
			if e.SharedEventID != "" && ids[e.SharedEventID] {
				found[file.Partition] = append(found[file.Partition], e.SharedEventID)
			}
		}
	}
	return found, nil
}

// elsewhere tells day of which of its events other accounts have a copy.
func (b *Builder) elsewhere(ctx context.Context, day *derive.Day, p athenatrail.Partition) error {
	ids := map[string]bool{}
	for e, err := range lake.ReadAs[shared](ctx, b.Lake, lake.Events, p) {
		if err != nil {
			return err
		}
		if e.SharedEventID != "" {
			ids[e.SharedEventID] = true
		}
	}
	if len(ids) == 0 {
		return nil
	}
	copies, err := Copies(ctx, b.Lake, p, ids)
	if err != nil {
		return err
	}
	for _, q := range slices.SortedFunc(maps.Keys(copies), athenatrail.Partition.Compare) {
		for _, id := range copies[q] {
			day.Elsewhere(id, q.Account)
		}
	}
	return nil
}
