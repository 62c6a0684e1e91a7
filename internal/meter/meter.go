// Package meter reads out of a lake what limits are compared with: the days
// that they need, of each table the columns that they need, and single
// executions only where something still runs or a limit cannot do without. It
// needs no database.
package meter

import (
	"context"
	"fmt"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/limit"
)

// Moment returns the moment at which to look at limits: at, or if it is zero
// that which [limit.NewMoment] takes for a lake at now.
func Moment(ctx context.Context, l *lake.Lake, now, at time.Time) (limit.Moment, error) {
	completeTo, _, err := ledger.New(l).CompleteTo(ctx)
	if err != nil {
		return limit.Moment{}, err
	}
	since, err := Since(ctx, l)
	if err != nil {
		return limit.Moment{}, err
	}
	m := limit.NewMoment(now, completeTo, since)
	if !at.IsZero() {
		m.At = at.UTC()
	}
	return m, nil
}

// Since returns when the first day of usage begins that the lake has; zero
// without one.
func Since(ctx context.Context, l *lake.Lake) (time.Time, error) {
	for file, err := range lake.Partitions(ctx, l, lake.UsageRollup, 0, 0) {
		if err != nil {
			return time.Time{}, err
		}
		return file.Date.Time(), nil
	}
	return time.Time{}, nil
}

// Report says how things stand with limits at a moment. With forecast it also
// reads the windows before, for what is usual.
func Report(ctx context.Context, l *lake.Lake, limits *limit.Limits, m limit.Moment, forecast bool) (*limit.Report, error) {
	meter := limits.Meter(m, forecast)
	if err := give(ctx, l, meter.Needs(), meter); err != nil {
		return nil, err
	}
	for _, p := range meter.Unfinished() {
		if err := executions(ctx, l, p, meter.Running); err != nil {
			return nil, err
		}
	}
	habits := limit.NewHabits(meter.Fingerprints())
	if len(meter.Fingerprints()) > 0 {
		last := athenatrail.DateOf(m.At)
		past := []limit.Days{{From: last - limit.HabitDays, To: last + 1}}
		err := rows(ctx, l, lake.QueryExecutions, past, func(h *habit) { habits.Add(h.execution()) })
		if err != nil {
			return nil, err
		}
	}
	return meter.Report(habits), nil
}

// Simulate gives a simulation what it needs.
func Simulate(ctx context.Context, l *lake.Lake, s *limit.Simulation) error {
	return give(ctx, l, s.Needs(), s)
}

// A taker takes the rows that it needs.
type taker interface {
	Usage(*limit.Usage)
	Table(*limit.TableUsage)
	Execution(*limit.Execution)
}

func give(ctx context.Context, l *lake.Lake, needs limit.Needs, to taker) error {
	if err := rows(ctx, l, lake.UsageRollup, needs.Rollup, to.Usage); err != nil {
		return err
	}
	if err := rows(ctx, l, lake.TableRollup, needs.Tables, to.Table); err != nil {
		return err
	}
	for _, d := range needs.Executions {
		err := lake.Scan(ctx, l, lake.QueryExecutions, d.From, d.To, func(p athenatrail.Partition, e *limit.Execution) error {
			to.Execution(within(p.Date, e))
			return nil
		})
		if err != nil {
			return fmt.Errorf("read usage: %w", err)
		}
	}
	return nil
}

// rows calls do with the rows that a table has of some days.
func rows[T any](ctx context.Context, l *lake.Lake, table lake.Dataset, days []limit.Days, do func(*T)) error {
	for _, d := range days {
		err := lake.Scan(ctx, l, table, d.From, d.To, func(_ athenatrail.Partition, row *T) error {
			do(row)
			return nil
		})
		if err != nil {
			return fmt.Errorf("read usage: %w", err)
		}
	}
	return nil
}

// executions reads a partition of query_executions.
func executions(ctx context.Context, l *lake.Lake, p athenatrail.Partition, do func(*limit.Execution)) error {
	for e, err := range lake.ReadAs[limit.Execution](ctx, l, lake.QueryExecutions, p) {
		if err != nil {
			return err
		}
		do(within(p.Date, e))
	}
	return nil
}

// within puts an execution into the day that its row lies on, the day of its
// start. Athena may have taken the call on the other side of midnight: it counts
// for that day, as it does in the roll-ups.
func within(day athenatrail.Date, e *limit.Execution) *limit.Execution {
	first := day.Time()
	last := first.Add(24*time.Hour - time.Millisecond)
	switch at := e.SubmissionDateTime; {
	case at.Before(first):
		e.SubmissionDateTime = first
	case at.After(last):
		e.SubmissionDateTime = last
	}
	return e
}

// A habit is what of an execution tells what its query usually uses.
type habit struct {
	QueryFingerprint string             `parquet:"query_fingerprint,optional"`
	State            string             `parquet:"state,optional"`
	DataScannedBytes *int64             `parquet:"data_scanned_bytes,optional"`
	Cost             *athenatrail.Money `parquet:"cost,optional,decimal(9:18)"`
	Currency         string             `parquet:"currency,optional"`
	CostBasis        string             `parquet:"cost_basis,optional"`
}

func (h *habit) execution() *limit.Execution {
	return &limit.Execution{
		QueryFingerprint: h.QueryFingerprint, State: h.State, DataScannedBytes: h.DataScannedBytes,
		Cost: h.Cost, Currency: h.Currency, CostBasis: h.CostBasis,
	}
}
