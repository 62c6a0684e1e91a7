package cli

import (
	"context"
	"errors"
	"time"

	"github.com/athenatrail/athenatrail/internal/setup"
	"github.com/athenatrail/athenatrail/internal/source"
)

// collectOn does a run whose records Athena looks for.
func (a *app) collectOn(ctx context.Context, e *setup.Env, o collectOptions, from, to, now time.Time) error {
	db, _, err := e.Athena(ctx, &e.Statements)
	if err != nil {
		return hint(err, "docs/engines.md says what --on athena needs")
	}
	defer db.Close()
	feed, err := e.Unload(ctx, db, from, to, now, func(text string) { a.note("%s", text) })
	if err != nil {
		return err
	}
	if o.dryRun {
		days, err := feed.Missing(ctx)
		if err != nil {
			return err
		}
		if len(days) == 0 {
			a.note("would unload nothing: all days are in the lake")
			return nil
		}
		a.note("would let Athena read %s, each in one statement, from %s to %s; it charges what their log files have",
			count(int64(len(days)), "day"), days[0], days[len(days)-1])
		return nil
	}
	run, err := e.Collect(ctx, now)
	if err != nil {
		return err
	}
	run.Feeds = []source.Feed{feed}
	sum, err := a.run(ctx, run)
	if err == nil {
		err = a.finish(e, sum)
	}
	return errors.Join(err, a.sayAsked(ctx, e))
}

// sayAsked tells what statements of a collection run cost.
func (a *app) sayAsked(ctx context.Context, e *setup.Env) error {
	statements := e.Statements.Statements()
	if len(statements) == 0 {
		return nil
	}
	region := e.Engine.Region
	if region == "" {
		conn, err := e.AWS(ctx)
		if err != nil {
			return err
		}
		region = conn.Region()
	}
	return a.sayCost(e, region, statements)
}
