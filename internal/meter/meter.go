// Package meter reads out of a lake what limits are compared with and what
// anomalies are looked for in: the days that they need, of each table the
// columns that they need, and single executions only where something still runs
// or stands out, or a limit cannot do without. It needs no database.
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
	return ReportOf(ctx, files{l}, limits, m, forecast)
}

// Rows gives rows of a lake's tables, in any order.
type Rows interface {
	Usage(ctx context.Context, of limit.Days, do func(*limit.Usage)) error
	Tables(ctx context.Context, of limit.Days, do func(*limit.TableUsage)) error

	// Executions are told with the day that they lie on.
	Executions(ctx context.Context, of limit.Days, do func(athenatrail.Date, *limit.Execution)) error
	Partition(ctx context.Context, of athenatrail.Partition, do func(*limit.Execution)) error

	// Habits gives executions of some fingerprints at the least, with what
	// [limit.Habits] needs.
	Habits(ctx context.Context, of limit.Days, fingerprints []string, do func(*limit.Execution)) error
}

// ReportOf is [Report] for rows that somebody else reads.
func ReportOf(ctx context.Context, from Rows, limits *limit.Limits, m limit.Moment, forecast bool) (*limit.Report, error) {
	meter := limits.Meter(m, forecast)
	if err := give(ctx, from, meter.Needs(), meter); err != nil {
		return nil, err
	}
	for _, p := range meter.Unfinished() {
		err := from.Partition(ctx, p, func(e *limit.Execution) {
			e.SubmissionDateTime = within(p.Date, e.SubmissionDateTime)
			meter.Running(e)
		})
		if err != nil {
			return nil, err
		}
	}
	fingerprints := meter.Fingerprints()
	habits := limit.NewHabits(fingerprints)
	if len(fingerprints) > 0 {
		last := athenatrail.DateOf(m.At)
		if err := from.Habits(ctx, limit.Days{From: last - limit.HabitDays, To: last + 1}, fingerprints, habits.Add); err != nil {
			return nil, err
		}
	}
	return meter.Report(habits), nil
}

// Files are the rows of a lake's own files.
func Files(l *lake.Lake) Rows { return files{l} }

type files struct{ lake *lake.Lake }

func (f files) Usage(ctx context.Context, of limit.Days, do func(*limit.Usage)) error {
	return rows(ctx, f.lake, lake.UsageRollup, []limit.Days{of}, do)
}

func (f files) Tables(ctx context.Context, of limit.Days, do func(*limit.TableUsage)) error {
	return rows(ctx, f.lake, lake.TableRollup, []limit.Days{of}, do)
}

func (f files) Executions(ctx context.Context, of limit.Days, do func(athenatrail.Date, *limit.Execution)) error {
	return dated(ctx, f.lake, lake.QueryExecutions, []limit.Days{of}, do)
}

func (f files) Partition(ctx context.Context, of athenatrail.Partition, do func(*limit.Execution)) error {
	return partition(ctx, f.lake, lake.QueryExecutions, of, do)
}

func (f files) Habits(ctx context.Context, of limit.Days, _ []string, do func(*limit.Execution)) error {
	return rows(ctx, f.lake, lake.QueryExecutions, []limit.Days{of}, func(h *habit) { do(h.execution()) })
}

// Simulate gives a simulation what it needs.
func Simulate(ctx context.Context, l *lake.Lake, s *limit.Simulation) error {
	return give(ctx, files{l}, s.Needs(), s)
}

// A taker takes the rows that it needs.
type taker interface {
	Usage(*limit.Usage)
	Table(*limit.TableUsage)
	Execution(*limit.Execution)
}

func give(ctx context.Context, from Rows, needs limit.Needs, to taker) error {
	for _, of := range needs.Rollup {
		if err := from.Usage(ctx, of, to.Usage); err != nil {
			return err
		}
	}
	for _, of := range needs.Tables {
		if err := from.Tables(ctx, of, to.Table); err != nil {
			return err
		}
	}
	for _, of := range needs.Executions {
		err := from.Executions(ctx, of, func(day athenatrail.Date, e *limit.Execution) {
			e.SubmissionDateTime = within(day, e.SubmissionDateTime)
			to.Execution(e)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// rows calls do with the rows that a table has of some days.
func rows[T any](ctx context.Context, l *lake.Lake, table lake.Dataset, days []limit.Days, do func(*T)) error {
	return dated(ctx, l, table, days, func(_ athenatrail.Date, row *T) { do(row) })
}

// dated is [rows] for who wants to know the day that a row lies on.
func dated[T any](ctx context.Context, l *lake.Lake, table lake.Dataset, days []limit.Days, do func(athenatrail.Date, *T)) error {
	for _, d := range days {
		err := lake.Scan(ctx, l, table, d.From, d.To, func(p athenatrail.Partition, row *T) error {
			do(p.Date, row)
			return nil
		})
		if err != nil {
			return fmt.Errorf("read %s: %w", table.Name(), err)
		}
	}
	return nil
}

// partition calls do with the rows of one partition.
func partition[T any](ctx context.Context, l *lake.Lake, table lake.Dataset, p athenatrail.Partition, do func(*T)) error {
	for row, err := range lake.ReadAs[T](ctx, l, table, p) {
		if err != nil {
			return err
		}
		do(row)
	}
	return nil
}

// within returns the moment of a day that is nearest to one. A row lies on the
// day of its start, and Athena may have taken the call on the other side of
// midnight: it counts for the day that it lies on, as it does in the roll-ups.
func within(day athenatrail.Date, at time.Time) time.Time {
	first := day.Time()
	last := first.Add(24*time.Hour - time.Millisecond)
	switch {
	case at.Before(first):
		return first
	case at.After(last):
		return last
	}
	return at
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
