package cli

import (
	"context"

	"github.com/athenatrail/athenatrail/internal/health"
	"github.com/athenatrail/athenatrail/internal/report"
	"github.com/athenatrail/athenatrail/internal/setup"
)

// The view that is made of the ledger, in Go, whatever the engine.
const (
	healthView    = health.View
	healthSummary = health.Summary
)

// health prints what the lake was made of, and what is missing.
func (a *app) health(ctx context.Context, e *setup.Env, r *readLake, params report.Params) error {
	settings, err := e.Settings()
	if err != nil {
		return err
	}
	result, err := health.Report(ctx, health.Input{
		Lake: r.Lake, Ledger: r.ledger, DB: r.db, DerivedWith: settings.Hash(), CompleteTo: r.completeTo, TimeZone: e.Timezone,
	})
	if err != nil {
		return err
	}
	return a.write(result)
}
