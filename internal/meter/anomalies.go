package meter

import (
	"context"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/anomaly"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/limit"
)

// Anomalies returns what cost far more in [from, to) than it usually does, the
// dearest first, and from when on that was looked for: before, the lake is too
// young to know what is usual. The time is zero where it is so for all of the
// window.
func Anomalies(ctx context.Context, l *lake.Lake, s anomaly.Settings, from, to time.Time) ([]anomaly.Anomaly, time.Time, error) {
	since, err := Since(ctx, l)
	if err != nil {
		return nil, time.Time{}, err
	}
	search := anomaly.NewSearch(s, from, to, since)
	judged := search.JudgedFrom()
	if judged.IsZero() {
		return nil, judged, nil
	}
	needs := days(search.Needs())
	if err := rows(ctx, l, lake.UsageRollup, needs, search.Usage); err != nil {
		return nil, judged, err
	}
	if err := rows(ctx, l, lake.TableRollup, needs, search.Table); err != nil {
		return nil, judged, err
	}
	standout := days(search.Standout())
	if err := dated(ctx, l, lake.QueryExecutions, standout, func(day athenatrail.Date, e *anomaly.Execution) {
		e.StartedAt = within(day, e.StartedAt)
		search.Execution(e)
	}); err != nil {
		return nil, judged, err
	}
	if err := dated(ctx, l, lake.Sessions, standout, func(day athenatrail.Date, s *session) {
		s.StartedAt = within(day, s.StartedAt)
		search.Execution(s.execution())
	}); err != nil {
		return nil, judged, err
	}
	return search.Anomalies(), judged, nil
}

func days(list []anomaly.Days) []limit.Days {
	out := make([]limit.Days, len(list))
	for i, d := range list {
		out[i] = limit.Days(d)
	}
	return out
}

// A session is what of a row of sessions tells what it cost whom.
type session struct {
	SessionID  string             `parquet:"session_id,optional"`
	AccountID  string             `parquet:"account_id"`
	RegionName string             `parquet:"region_name"`
	Person     string             `parquet:"person"`
	Team       string             `parquet:"team"`
	RoleName   string             `parquet:"role_name,optional"`
	StartedAt  time.Time          `parquet:"started_at,timestamp(millisecond:local)"`
	Cost       *athenatrail.Money `parquet:"cost,optional,decimal(9:18)"`
	Currency   string             `parquet:"currency,optional"`
}

func (s *session) execution() *anomaly.Execution {
	return &anomaly.Execution{
		ID: s.SessionID, AccountID: s.AccountID, RegionName: s.RegionName, Person: s.Person, Team: s.Team, RoleName: s.RoleName,
		StartedAt: s.StartedAt, Cost: s.Cost, Currency: s.Currency,
	}
}
