package completeness

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/athenaapi"
	"github.com/athenatrail/athenatrail/internal/forget"
	"github.com/athenatrail/athenatrail/internal/lake"
)

// athena asks in every place that the lake or the configuration knows.
func (c *check) athena(ctx context.Context) error {
	forgotten, err := forget.Load(ctx, c.Lake)
	if err != nil {
		return err
	}
	places := map[Place]bool{}
	for _, p := range c.Places {
		places[p] = true
	}
	for p := range c.days {
		places[Place{p.Account, p.Region}] = true
	}
	// The first day that Athena lists whole: one that is partly forgotten would
	// make executions unlisted.
	c.oldAsked = athenatrail.DateOf(c.Now.Add(-HistoryDays*day)) + 1
	for _, p := range slices.SortedFunc(maps.Keys(places), compare) {
		if p.Account == athenatrail.UnknownName || p.Region == athenatrail.UnknownName {
			continue
		}
		asker, err := c.Options.Athena(ctx, p)
		if err == nil && asker == nil {
			continue
		}
		if err == nil {
			err = c.place(ctx, p, asker, forgotten)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			c.Unasked = append(c.Unasked, Unasked{p, err})
		}
	}
	for _, d := range c.days {
		d.Asked = c.asked[Place{d.Account, d.Region}] && d.Date >= c.oldAsked
	}
	return nil
}

// place lists one place's executions and compares them with the lake's. What
// it cannot list whole says nothing of executions that Athena does not list.
func (c *check) place(ctx context.Context, p Place, asker Athena, forgotten *forget.List) error {
	groups, err := asker.WorkGroups(ctx)
	if err != nil {
		return err
	}
	listed := map[uint64]bool{}
	var strange []athenaapi.Wanted // that the trail has no start of
	var failed error
	for _, group := range groups {
		old := 0
		for ids, err := range asker.Executions(ctx, group) {
			if err != nil {
				failed = err
				break
			}
			for _, id := range ids {
				key := c.hash("", id)
				if _, known := c.started[key]; !known && !listed[key] {
					strange = append(strange, athenaapi.Wanted{ID: id, WorkGroup: group})
				}
				listed[key] = true
			}
			if c.Progress != nil {
				c.Progress(len(listed))
			}
			// The newest come first, as it seems: two pages in a row of starts
			// before the window end the listing.
			if c.beforeWindow(ids) {
				old++
			} else {
				old = 0
			}
			if old == 2 {
				break
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := c.unknown(ctx, p, asker, strange, forgotten); err != nil && failed == nil {
		failed = err
	}
	if failed == nil {
		c.asked[p] = true
		return c.unlisted(ctx, p, listed)
	}
	return failed
}

// beforeWindow reports whether all ids of a page are of starts that the trail
// knows, and that lie well before the window.
func (c *check) beforeWindow(ids []string) bool {
	for _, id := range ids {
		if at, known := c.started[c.hash("", id)]; !known || at >= athenatrail.DateOf(c.From)-1 {
			return false
		}
	}
	return len(ids) > 0
}

// unknown asks about the executions that the trail does not know.
func (c *check) unknown(ctx context.Context, p Place, asker Athena, strange []athenaapi.Wanted, forgotten *forget.List) error {
	var failed error
	for a := range asker.Details(ctx, c.Now, strange) {
		at := a.Detail.SubmittedAt
		m := Missing{Place: p, ID: a.Wanted.ID, WorkGroup: a.Wanted.WorkGroup, Unknown: true, At: at}
		if a.Err != nil {
			failed, m.Why, m.At = a.Err, "Athena did not say when it was started", time.Time{}
			c.Undated++
			c.miss(m)
			continue
		}
		if at.IsZero() {
			c.Undated++
			m.Why = "Athena does not say when it was started: " + strings.ReplaceAll(a.Detail.Outcome, "_", " ")
			c.miss(m)
			continue
		}
		if at.Before(c.From) || !at.Before(c.To) {
			continue
		}
		kept, err := forget.Keep(ctx, forgotten, lake.Details, []athenatrail.Detail{a.Detail})
		if err != nil {
			return err
		}
		if len(kept) == 0 {
			c.Forgotten++
			continue
		}
		c.day(athenatrail.NewPartition(at, p.Account, p.Region)).Unknown++
		m.Why = "the trail has no StartQueryExecution of it"
		c.miss(m)
	}
	return failed
}

// unlisted counts the executions of the trail that Athena does not list.
func (c *check) unlisted(ctx context.Context, p Place, listed map[uint64]bool) error {
	from := max(athenatrail.DateOf(c.From), c.oldAsked)
	for file, err := range lake.Partitions(ctx, c.Lake, lake.QueryExecutions, from, athenatrail.DateOf(c.To.Add(-1))+1) {
		if err != nil {
			return err
		}
		if file.Account != p.Account || file.Region != p.Region {
			continue
		}
		for row, err := range lake.ReadAs[unlistedRow](ctx, c.Lake, lake.QueryExecutions, file.Partition) {
			if err != nil {
				return err
			}
			if row.ID == "" || row.EventID == "" || listed[c.hash("", row.ID)] {
				continue
			}
			c.day(file.Partition).Unlisted++
			c.miss(Missing{Place: p, ID: row.ID, At: row.SubmittedAt.UTC(), WorkGroup: row.WorkGroup, Why: "Athena does not list it: its work group was deleted, or Athena forgot it"})
		}
	}
	return nil
}

type unlistedRow struct {
	ID          string    `parquet:"query_execution_id,optional"`
	EventID     string    `parquet:"event_id,optional"`
	WorkGroup   string    `parquet:"work_group_name,optional"`
	SubmittedAt time.Time `parquet:"submission_date_time,timestamp(millisecond:local)"`
}
