package setup

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/athenatrail/athenatrail/internal/enforce"
	"github.com/athenatrail/athenatrail/internal/glob"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/limit"
	"github.com/athenatrail/athenatrail/internal/meter"
)

// Enforce returns how limits stand now, and the options of acting upon them.
// All are the configuration's limits, and those in limits are looked at.
func (e *Env) Enforce(ctx context.Context, l *lake.Lake, all, limits *limit.Limits, now time.Time) (enforce.Options, error) {
	m, err := meter.Moment(ctx, l, now, time.Time{})
	if err != nil {
		return enforce.Options{}, err
	}
	report, err := meter.Report(ctx, l, limits, m, false)
	if err != nil {
		return enforce.Options{}, err
	}
	o := enforce.Options{
		Lake: l, All: all, Limits: limits, Report: report, Moment: m, RunID: RunID(now),
		Config: func(ctx context.Context, account, region string) (aws.Config, error) {
			conn, err := e.AWS(ctx)
			if err != nil {
				return aws.Config{}, err
			}
			return conn.Config(ctx, account, region)
		},
		Identify: func(ctx context.Context) (string, time.Time, error) {
			conn, err := e.AWS(ctx)
			if err != nil {
				return "", time.Time{}, err
			}
			return conn.Identify(ctx)
		},
	}
	if len(e.Notify) > 0 {
		teller, err := e.Notifier(ctx, l)
		if err != nil {
			return o, err
		}
		o.Teller = teller
	}
	for _, p := range e.OwnPrincipals {
		o.Own = append(o.Own, glob.New(p))
	}
	return o, nil
}
