package cli

import (
	"context"
	"slices"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/limit"
	"github.com/athenatrail/athenatrail/internal/report"
)

// engineRows are the rows of limits as a distributed engine reads them.
type engineRows struct{ db *report.DB }

func (r engineRows) Usage(ctx context.Context, of limit.Days, do func(*limit.Usage)) error {
	return each(ctx, r.db, "usage_rollup", of, "", nil, func(_ athenatrail.Date, u *limit.Usage) { do(u) })
}

func (r engineRows) Tables(ctx context.Context, of limit.Days, do func(*limit.TableUsage)) error {
	return each(ctx, r.db, "table_rollup", of, "", nil, func(_ athenatrail.Date, t *limit.TableUsage) { do(t) })
}

func (r engineRows) Executions(ctx context.Context, of limit.Days, do func(athenatrail.Date, *limit.Execution)) error {
	return each(ctx, r.db, "query_executions", of, "", nil, do)
}

func (r engineRows) Partition(ctx context.Context, of athenatrail.Partition, do func(*limit.Execution)) error {
	day := limit.Days{From: of.Date, To: of.Date + 1}
	return each(ctx, r.db, "query_executions", day, "account_id", []string{of.Account}, func(_ athenatrail.Date, e *limit.Execution) {
		if e.RegionName == of.Region {
			do(e)
		}
	})
}

// fingerprintsAtOnce keeps a statement far below what Athena takes.
const fingerprintsAtOnce = 2000

func (r engineRows) Habits(ctx context.Context, of limit.Days, fingerprints []string, do func(*limit.Execution)) error {
	for some := range slices.Chunk(fingerprints, fingerprintsAtOnce) {
		err := each(ctx, r.db, "query_executions", of, "query_fingerprint", some, func(_ athenatrail.Date, e *limit.Execution) { do(e) })
		if err != nil {
			return err
		}
	}
	return nil
}

func each[T any](ctx context.Context, db *report.DB, table string, of limit.Days, column string, in []string, do func(athenatrail.Date, *T)) error {
	return report.Each(ctx, db, table, of.From, of.To, column, in, func(day athenatrail.Date, row *T) error {
		do(day, row)
		return nil
	})
}
