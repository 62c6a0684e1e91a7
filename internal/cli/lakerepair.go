package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/repair"
	"github.com/athenatrail/athenatrail/internal/setup"
	"github.com/athenatrail/athenatrail/internal/source"
)

// repairLake makes damaged files again, and says of each what became of it.
func (a *app) repairLake(ctx context.Context, e *setup.Env, l *lake.Lake) error {
	problems := slices.Collect(lake.Verify(ctx, l, ""))
	if err := ctx.Err(); err != nil {
		return err
	}
	run, err := e.Collect(ctx, time.Now())
	if err != nil {
		return err
	}
	outcomes, err := repair.Repair(ctx, repair.Options{Run: run, Source: source.Deps{S3: e.S3, Lookback: e.Lookback}}, problems)
	for _, o := range outcomes {
		if o.Repaired {
			a.note("repaired %s: %s; the damaged file is kept as %s", o.Path, o.Text, o.Aside)
		} else {
			a.say("warning", fmt.Errorf("not repaired %s: %s", o.Path, o.Text))
		}
	}
	if err == nil && len(outcomes) == 0 {
		a.note("no file of facts or tables is damaged")
	}
	return awsconn.Explained(err)
}
