package cli

import (
	"context"
	"fmt"

	"github.com/athenatrail/athenatrail/internal/anomaly"
	"github.com/athenatrail/athenatrail/internal/meter"
	"github.com/athenatrail/athenatrail/internal/report"
	"github.com/athenatrail/athenatrail/internal/setup"
)

// The view that is made of habits, in Go, whatever the engine.
const (
	anomaliesView    = meter.AnomaliesView
	anomaliesSummary = meter.AnomaliesSummary
)

// anomalies prints what stands out.
func (a *app) anomalies(ctx context.Context, e *setup.Env, r *readLake, params report.Params) error {
	result, judged, err := meter.AnomalyReport(ctx, r.Lake, e.AnomalySettings(), params.From, params.To, params.Limit)
	if err != nil {
		return err
	}
	result.CompleteTo = r.completeTo
	if judged.IsZero() || judged.After(params.From) {
		from := "nothing in this window was judged"
		if !judged.IsZero() {
			from = "what was before " + judged.In(e.Timezone).Format("2006-01-02") + " was not judged"
		}
		a.say("warning", hint(fmt.Errorf("%s: the lake is too young to know what is usual", from), "it takes %d days", anomaly.MinLookback))
	}
	return a.write(result)
}
