package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/config"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/report"
	"github.com/athenatrail/athenatrail/internal/setup"
)

// env returns what a command works with.
func (a *app) env(ctx context.Context) (*setup.Env, error) {
	c, err := a.config(ctx)
	if err != nil {
		return nil, err
	}
	e := setup.New(c, userAgent())
	e.Warn = func(err error) { a.say("warning", err) }
	return e, nil
}

// A readLake is a lake opened for reports.
type readLake struct {
	*lake.Lake
	ledger     *ledger.Ledger
	db         *report.DB
	dir        string    // the lake on this machine; empty where another engine reads it
	completeTo time.Time // zero when unknown
}

// reports opens the lake for reports. An S3 lake is first copied into a cache
// on this machine, as far as it changed.
func (a *app) reports(ctx context.Context, e *setup.Env) (*readLake, error) {
	l, err := e.OldLake(ctx)
	if err != nil {
		return nil, err
	}
	r := &readLake{Lake: l, ledger: ledger.New(l)}
	dir := e.Lake
	if setup.IsS3(e.Lake) {
		if dir, err = cacheDir(e.Lake); err != nil {
			return nil, err
		}
		if err := lake.Mirror(ctx, l, dir); err != nil {
			return nil, awsconn.Explained(fmt.Errorf("copy the lake to %s: %w", dir, err))
		}
	}
	r.dir = dir
	if r.completeTo, _, err = r.ledger.CompleteTo(ctx); err != nil {
		return nil, err
	}
	r.db, err = report.Open(ctx, dir, report.Options{TimeZone: e.Timezone})
	return r, err
}

// withReports opens the lake of the configuration for reports, and closes it
// when do returns.
func (a *app) withReports(ctx context.Context, do func(*setup.Env, *readLake) error) error {
	e, err := a.env(ctx)
	if err != nil {
		return err
	}
	r, err := a.reports(ctx, e)
	if err != nil {
		return err
	}
	defer r.db.Close()
	return do(e, r)
}

// cacheDir returns the folder that mirrors an S3 lake.
func cacheDir(location string) (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a folder for the lake's local copy: %w", err)
	}
	sum := sha256.Sum256([]byte(location))
	dir := filepath.Join(base, "athenatrail", hex.EncodeToString(sum[:8]))
	return dir, os.MkdirAll(dir, 0o700)
}

// checkSettings warns where tables of the window were derived with other
// settings than today's, and returns from when on the lake holds rows at all.
func (a *app) checkSettings(ctx context.Context, e *setup.Env, r *readLake, from, to time.Time) (since time.Time, err error) {
	if r.dir == "" { // it takes the end of every file to know, and they are far away
		return firstDayOf(ctx, r.Lake, "tables/query_executions_open/", "tables/query_executions_closed/")
	}
	settings, err := e.Settings()
	if err != nil {
		return since, err
	}
	store, err := lake.OpenStore(r.dir)
	if err != nil {
		return since, err
	}
	local, err := lake.Open(ctx, store)
	if err != nil {
		return since, err
	}
	hash, stale, days := settings.Hash(), 0, 0
	for file, err := range lake.Partitions(ctx, local, lake.QueryExecutions, 0, 0) {
		if err != nil {
			return since, err
		}
		if since.IsZero() {
			since = file.Date.Time()
		}
		if d := file.Date.Time(); d.Add(24*time.Hour).Before(from) || d.After(to) {
			continue
		}
		days++
		with, err := file.DerivedWith(ctx, local, lake.QueryExecutions)
		if err != nil {
			return since, err
		}
		if with != hash {
			stale++
		}
	}
	if stale > 0 {
		a.say("warning", hint(fmt.Errorf("%d of the %d days (of an account and region) were derived with other prices or rules than today's", stale, days),
			"athenatrail lake rebuild --lake %s derives them again", e.Lake))
	}
	return since, nil
}

// window returns the window that --from and --to ask for: by default the 7
// days before the lake is complete to.
func (r *readLake) window(e *setup.Env, from, to string, now time.Time) (time.Time, time.Time, error) {
	end := r.completeTo
	if end.IsZero() {
		end = now
	}
	var err error
	if to != "" {
		if end, err = config.ParseTime(to, now, e.Timezone); err != nil {
			return end, end, usage("--to: %w", err)
		}
	}
	start := end.Add(-7 * 24 * time.Hour)
	if from != "" {
		if start, err = config.ParseTime(from, now, e.Timezone); err != nil {
			return start, end, usage("--from: %w", err)
		}
	}
	if !start.Before(end) && to == "" && !r.completeTo.IsZero() {
		return start, end, &exitError{exitUsage, hint(fmt.Errorf("--from %s: the lake is complete to %s only", from, end.UTC().Format(time.RFC3339)),
			"bring it up to date with athenatrail collect, or name --to as well")}
	}
	if !start.Before(end) {
		return start, end, usage("--from %s is not before --to %s", start.Format(time.RFC3339), end.Format(time.RFC3339))
	}
	return start, end, nil
}
