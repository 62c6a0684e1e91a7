package repair

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/collect"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
)

// fromAthena asks again about a day's executions, and makes the day's details,
// or its SQL, of the answers. It returns nil and why if something is not to be
// had that the tables say was there.
func (r *repairer) fromAthena(ctx context.Context, d damaged) (made []byte, text string, err error) {
	oldest := athenatrail.DateOf(r.Run.Now.Add(-historyDays*24*time.Hour)) + 1
	switch {
	case r.Run.Details == nil:
		return nil, "Athena has it, and is not asked (details: none)", nil
	case d.Date < oldest:
		return nil, fmt.Sprintf("Athena forgot it: it is older than %d days; restore it from a backup. The tables have what was derived from it", historyDays), nil
	case slices.ContainsFunc(r.bad, func(x damaged) bool { return x.name == lake.Events.Name() && x.near(d.Partition, 1) }):
		return nil, "the events of the day are damaged, and tell what to ask for", nil
	}
	had, err := r.had(ctx, d)
	if err != nil {
		return nil, "what to ask for cannot be told: " + err.Error(), ctx.Err()
	}
	err = r.scratch(ctx, func(l *lake.Lake) error {
		for _, prefix := range []string{"facts/events/", "facts/session_events/", "facts/details/"} {
			err := r.copyTo(ctx, l, prefix, func(key string) bool {
				m := pathForm.FindStringSubmatch(key)
				if m == nil || key == d.path || slices.ContainsFunc(r.bad, func(x damaged) bool { return x.path == key }) {
					return false
				}
				p, err := athenatrail.ParsePartition(m[3], m[4])
				own := prefix == "facts/details/" && p == d.Partition // they are asked for again
				return err == nil && !own && p.Account == d.Account && p.Region == d.Region && p.Date >= d.Date-7 && p.Date <= d.Date+7
			})
			if err != nil {
				return err
			}
		}
		run := r.Run
		run.Lake, run.Ledger = l, ledger.New(l)
		run.Sources, run.Feeds, run.References, run.NoDerive, run.Progress = nil, nil, nil, true, nil
		for day := d.Date - 1; day <= d.Date+1; day++ {
			if err := l.Mark(ctx, d.On(day), run.RunID); err != nil {
				return err
			}
		}
		sum, err := collect.Run(ctx, run)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			text = "Athena could not be asked: " + err.Error()
			return nil
		case sum.Incomplete():
			text = "Athena could not be asked about all: " + strings.Join(sum.Problems, "; ")
			return nil
		}
		lacking, err := lacks(ctx, l, d, had)
		if err != nil {
			return err
		}
		if lacking > 0 {
			text = fmt.Sprintf("of %d that were there Athena did not tell %d: restore it from a backup", len(had), lacking)
			return nil
		}
		if made, err = l.Read(ctx, d.path); errors.Is(err, fs.ErrNotExist) {
			text = "Athena has nothing of it"
			return nil
		}
		text = fmt.Sprintf("made again from Athena's answers: %d", len(had))
		return err
	})
	return made, text, err
}

// had returns what a file of details or of SQL held, as far as what was made
// of it tells: ids whose row is whole, or hashes of texts.
func (r *repairer) had(ctx context.Context, d damaged) (map[string]bool, error) {
	had := map[string]bool{}
	if d.name == lake.QueryTexts.Name() {
		type detail struct {
			TextHash string `parquet:"text_hash,optional"`
		}
		for row, err := range lake.ReadAs[detail](ctx, r.lake, lake.Details, d.Partition) {
			if err != nil {
				return nil, err
			}
			if row.TextHash != "" {
				had[row.TextHash] = true
			}
		}
		return had, nil
	}
	type execution struct {
		ID  string    `parquet:"query_execution_id,optional"`
		At  time.Time `parquet:"submission_date_time,timestamp(millisecond:local)"`
		Gap string    `parquet:"gap,optional"`
	}
	type session struct {
		ID  string    `parquet:"session_id,optional"`
		At  time.Time `parquet:"started_at,timestamp(millisecond:local)"`
		Gap string    `parquet:"gap,optional"`
	}
	for day := d.Date - 1; day <= d.Date+1; day++ {
		for row, err := range lake.ReadAs[execution](ctx, r.lake, lake.QueryExecutions, d.On(day)) {
			if err != nil {
				return nil, err
			}
			if row.ID != "" && row.Gap == "" && athenatrail.DateOf(row.At) == d.Date {
				had[row.ID] = true
			}
		}
		for row, err := range lake.ReadAs[session](ctx, r.lake, lake.Sessions, d.On(day)) {
			if err != nil {
				return nil, err
			}
			if row.ID != "" && row.Gap == "" && athenatrail.DateOf(row.At) == d.Date {
				had[row.ID] = true
			}
		}
	}
	return had, nil
}

// lacks counts what the file that was made does not have of what there was.
func lacks(ctx context.Context, l *lake.Lake, d damaged, had map[string]bool) (n int, err error) {
	has := map[string]bool{}
	if d.name == lake.QueryTexts.Name() {
		for row, err := range lake.Read(ctx, l, lake.QueryTexts, d.Partition) {
			if err != nil {
				return 0, err
			}
			has[row.TextHash] = true
		}
	} else {
		for row, err := range lake.Read(ctx, l, lake.Details, d.Partition) {
			if err != nil {
				return 0, err
			}
			has[row.ID] = row.Outcome == athenatrail.OutcomeAnswered && row.Final
		}
	}
	for id := range had {
		if !has[id] {
			n++
		}
	}
	return n, nil
}
