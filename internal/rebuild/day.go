package rebuild

import (
	"context"
	"errors"
	"slices"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/derive"
	"github.com/athenatrail/athenatrail/internal/lake"
)

// StartEvent is the name of the event that asks Athena to run a statement.
const StartEvent = "StartQueryExecution"

// A start is what is read of the events of the days around.
type start struct {
	Name             string `parquet:"event_name"`
	QueryExecutionID string `parquet:"query_execution_id,optional"`
}

// A text is what is read of the query texts: that they are there.
type text struct {
	TextHash string `parquet:"text_hash"`
}

// maxTries bounds how often a day is derived anew because others derived it at
// the same time.
const maxTries = 10

// day derives one partition and writes its tables.
func (b *Builder) day(ctx context.Context, p athenatrail.Partition) error {
	for try := 1; ; try++ {
		err := b.tryDay(ctx, p)
		if !errors.Is(err, lake.ErrChanged) || try == maxTries {
			return err
		}
	}
}

// tryDay looks at the tables as they are, then reads the facts, then replaces
// the tables, so that rows of older facts never come over rows of newer ones.
func (b *Builder) tryDay(ctx context.Context, p athenatrail.Partition) error {
	executionsWere, err := lake.StateOf(ctx, b.Lake, lake.QueryExecutions, p)
	if err != nil {
		return err
	}
	activityWas, err := lake.StateOf(ctx, b.Lake, lake.Activity, p)
	if err != nil {
		return err
	}
	usageWas, err := lake.StateOf(ctx, b.Lake, lake.UsageRollup, p)
	if err != nil {
		return err
	}
	day := derive.NewDay(p, b.Settings)
	if err := b.around(ctx, day, p); err != nil {
		return err
	}
	hash := b.Settings.Hash()

	// Activity is written as the events are read, so that memory does not
	// grow with the day's polls.
	activity := func(yield func(*athenatrail.Activity, error) bool) {
		for e, err := range lake.Read(ctx, b.Lake, lake.Events, p) {
			if err != nil {
				yield(nil, err)
				return
			}
			row, err := day.Event(e)
			if !yield(&row, err) || err != nil {
				return
			}
		}
	}
	if _, err := lake.ReplaceTable(ctx, b.Lake, lake.Activity, p, activityWas, activity, hash); err != nil {
		return err
	}
	executions, usage := day.Tables()
	open := slices.ContainsFunc(executions, func(e athenatrail.QueryExecution) bool { return athenatrail.GapIsOpen(e.Gap) })
	if open {
		// Before the rows, so that no row with an open gap is ever without.
		if err := b.Lake.SetOpen(ctx, p, true); err != nil {
			return err
		}
	}
	if _, err := lake.ReplaceTable(ctx, b.Lake, lake.QueryExecutions, p, executionsWere, lake.QueryExecutions.Sorted(executions), hash); err != nil {
		return err
	}
	if _, err := lake.ReplaceTable(ctx, b.Lake, lake.UsageRollup, p, usageWas, lake.UsageRollup.Sorted(usage), hash); err != nil {
		return err
	}
	return b.noteOpen(ctx, p, open)
}

// noteOpen notes, once the rows are written, whether gaps are open. Another
// process may derive the same day meanwhile, so the note that there are some
// is made again in case it was taken away, and whoever takes it away looks at
// the rows once more.
func (b *Builder) noteOpen(ctx context.Context, p athenatrail.Partition, open bool) error {
	if open {
		return b.Lake.SetOpen(ctx, p, true)
	}
	if err := b.Lake.SetOpen(ctx, p, false); err != nil {
		return err
	}
	type row struct {
		Gap string `parquet:"gap,optional"`
	}
	for q, err := range lake.ReadAs[row](ctx, b.Lake, lake.QueryExecutions, p) {
		if err != nil {
			return err
		}
		if athenatrail.GapIsOpen(q.Gap) {
			return b.Lake.SetOpen(ctx, p, true)
		}
	}
	return nil
}

// around tells day what the days and the accounts around it hold.
func (b *Builder) around(ctx context.Context, day *derive.Day, p athenatrail.Partition) error {
	if err := b.elsewhere(ctx, day, p); err != nil {
		return err
	}
	for d := p.Date - 1; d <= p.Date+1; d++ {
		near := p.On(d)
		if d != p.Date {
			for e, err := range lake.ReadAs[start](ctx, b.Lake, lake.Events, near) {
				if err != nil {
					return err
				}
				if e.Name == StartEvent && e.QueryExecutionID != "" {
					day.StartedOn(e.QueryExecutionID, d)
				}
			}
		}
		for det, err := range lake.Read(ctx, b.Lake, lake.Details, near) {
			if err != nil {
				return err
			}
			day.Detail(det)
		}
		for t, err := range lake.ReadAs[text](ctx, b.Lake, lake.QueryTexts, near) {
			if err != nil {
				return err
			}
			day.Text(t.TextHash, d)
		}
	}
	return nil
}
