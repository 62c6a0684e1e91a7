package cli

import (
	"context"

	"github.com/athenatrail/athenatrail/internal/health"
	"github.com/athenatrail/athenatrail/internal/setup"
)

// health prints a view of what the lake was made of, and what is missing.
func (a *app) health(ctx context.Context, e *setup.Env, r *readLake, name string) error {
	settings, err := e.Settings()
	if err != nil {
		return err
	}
	result, err := health.Report(ctx, name, health.Input{
		Lake: r.Lake, Ledger: r.ledger, DB: r.db, DerivedWith: settings.Hash(), CompleteTo: r.completeTo, TimeZone: e.Timezone,
	})
	if err != nil {
		return err
	}
	return a.write(result)
}
