package meter

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/estimate"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/limit"
)

// HistoryDays is how far back the runs lie that tell what a query will scan.
const HistoryDays = 60

// A Past is what a lake knows that tells of a query that has not run yet.
type Past struct {
	*estimate.History

	// Who is the newest execution of the person, with the columns that limits
	// match; nil where the person has run nothing in the days looked at.
	Who *limit.Execution
}

// History reads what tells of a query, up to a moment. Columns are those
// by which tables are partitioned, by catalog.database.table, beside what the
// lake's catalog says. An empty person is nobody.
func History(ctx context.Context, l *lake.Lake, plan *estimate.Plan, columns map[string][]string, person string, at time.Time) (*Past, error) {
	past := &Past{}
	last := athenatrail.DateOf(at)
	back := []limit.Days{{From: last - HistoryDays, To: last + 1}}
	if person != "" {
		if err := past.person(ctx, l, back, person, at); err != nil {
			return nil, err
		}
		// The person's own account and region, where nobody named others.
		if w := past.Who; w != nil && plan.Account == "" && plan.Region == "" {
			plan.Account, plan.Region = w.AccountID, w.RegionName
		}
	}
	catalog, err := catalogOf(ctx, l, plan)
	if err != nil {
		return nil, err
	}
	for _, name := range plan.Reads {
		if more := columns[name]; len(more) > 0 {
			t := catalog[name]
			t.Partitions = append(slices.Clone(t.Partitions), more...)
			catalog[name] = t
		}
	}
	past.History = estimate.NewHistory(plan, catalog)
	var runs []*estimate.Run
	if err := rows(ctx, l, lake.QueryExecutions, back, func(r *estimate.Run) {
		if r.StartedAt.Before(at) && past.Tells(r) {
			runs = append(runs, r)
		}
	}); err != nil {
		return nil, err
	}
	if err := filtered(ctx, l, plan, catalog, runs); err != nil {
		return nil, err
	}
	for _, r := range runs {
		past.Add(r)
	}
	return past, nil
}

func (past *Past) person(ctx context.Context, l *lake.Lake, back []limit.Days, person string, at time.Time) error {
	return rows(ctx, l, lake.QueryExecutions, back, func(e *limit.Execution) {
		if strings.EqualFold(e.Person, person) && e.SubmissionDateTime.Before(at) && (past.Who == nil || e.SubmissionDateTime.After(past.Who.SubmissionDateTime)) {
			past.Who = e
		}
	})
}

// catalogOf returns what the lake's catalog last said of the tables that a plan
// reads. Where accounts and regions have tables of the same name and the plan
// names none, they are not told apart and left out.
func catalogOf(ctx context.Context, l *lake.Lake, plan *estimate.Plan) (map[string]estimate.Table, error) {
	type place struct{ name, account, region string }
	type said struct {
		day    athenatrail.Date
		answer string
	}
	newest := map[place]said{}
	if len(plan.Reads) > 0 {
		for file, err := range lake.Partitions(ctx, l, lake.Catalog, 0, 0) {
			if err != nil {
				return nil, fmt.Errorf("read the catalog: %w", err)
			}
			p := file.Partition
			if plan.Account != "" && p.Account != plan.Account || plan.Region != "" && p.Region != plan.Region {
				continue
			}
			if err := partition(ctx, l, lake.Catalog, p, func(r *athenatrail.Reference) {
				at := place{r.ID, p.Account, p.Region}
				if r.Kind == athenatrail.KindTable && p.Date >= newest[at].day && slices.Contains(plan.Reads, r.ID) {
					newest[at] = said{p.Date, r.Answer}
				}
			}); err != nil {
				return nil, fmt.Errorf("read the catalog: %w", err)
			}
		}
	}
	tables, seen := map[string]estimate.Table{}, map[string]int{}
	for at, s := range newest {
		var answer struct {
			Bytes            *int64
			Gone             bool
			PartitionColumns []string
		}
		if err := json.Unmarshal([]byte(s.answer), &answer); err != nil {
			return nil, fmt.Errorf("read the catalog: table %s: %w", at.name, err)
		}
		if answer.Gone {
			continue
		}
		t := estimate.Table{Bytes: answer.Bytes}
		for _, column := range answer.PartitionColumns {
			t.Partitions = append(t.Partitions, strings.ToLower(column))
		}
		if seen[at.name]++; seen[at.name] > 1 {
			t = estimate.Table{}
		}
		tables[at.name] = t
	}
	return tables, nil
}

// filtered reads the SQL of runs of other queries, as far as it decides whether
// they are like the plan's.
func filtered(ctx context.Context, l *lake.Lake, plan *estimate.Plan, catalog map[string]estimate.Table, runs []*estimate.Run) error {
	if estimate.Filtered(plan.SQL, plan.Reads, catalog) == nil {
		return nil
	}
	wanted := map[athenatrail.Partition]map[string][]*estimate.Run{}
	for _, r := range runs {
		day, err := athenatrail.ParseDate(r.TextDt)
		if err != nil || r.TextHash == "" || r.QueryFingerprint == plan.Fingerprint {
			continue
		}
		p := athenatrail.NewPartition(day.Time(), r.AccountID, r.RegionName)
		if wanted[p] == nil {
			wanted[p] = map[string][]*estimate.Run{}
		}
		wanted[p][r.TextHash] = append(wanted[p][r.TextHash], r)
	}
	for p, of := range wanted {
		type text struct {
			TextHash    string `parquet:"text_hash"`
			QueryString string `parquet:"query_string,optional"`
		}
		if err := partition(ctx, l, lake.QueryTexts, p, func(t *text) {
			for _, r := range of[t.TextHash] {
				r.Filtered = estimate.Filtered(t.QueryString, r.TablesAccessed, catalog)
			}
		}); err != nil {
			return fmt.Errorf("read SQL: %w", err)
		}
	}
	return nil
}
