package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/athenatrail/athenatrail/internal/annotation"
	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/config"
	"github.com/athenatrail/athenatrail/internal/derive"
	"github.com/athenatrail/athenatrail/internal/directory"
	"github.com/athenatrail/athenatrail/internal/glob"
	"github.com/athenatrail/athenatrail/internal/identity"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/price"
	"github.com/athenatrail/athenatrail/internal/report"
	"github.com/athenatrail/athenatrail/internal/source"
	"github.com/athenatrail/athenatrail/internal/team"
)

// An env is what a command works with, made of the configuration as far as it
// is needed.
type env struct {
	*config.Config
	conn *awsconn.Conn
}

func (a *app) env(ctx context.Context) (*env, error) {
	c, err := a.config(ctx)
	if err != nil {
		return nil, err
	}
	return &env{Config: c}, nil
}

// aws returns the connection to AWS, which makes no call until it is used.
func (e *env) aws(ctx context.Context) (*awsconn.Conn, error) {
	if e.conn != nil {
		return e.conn, nil
	}
	o := awsconn.Options{Profile: e.Profile, Regions: e.Regions, AssumeRole: e.AssumeRole, UserAgent: userAgent()}
	for _, account := range e.Accounts {
		o.Accounts = append(o.Accounts, awsconn.Account{ID: account.ID, Role: account.Role, ExternalID: account.ExternalID})
	}
	var err error
	e.conn, err = awsconn.New(ctx, o)
	return e.conn, err
}

// s3 returns a client with the own credentials.
func (e *env) s3(ctx context.Context) (*s3.Client, error) {
	conn, err := e.aws(ctx)
	if err != nil {
		return nil, err
	}
	cfg, err := conn.Config(ctx, "", "")
	if err != nil {
		return nil, err
	}
	return source.NewClient(cfg), nil
}

func isS3(location string) bool { return strings.HasPrefix(location, "s3://") }

func (e *env) store(ctx context.Context) (lake.Store, error) {
	rest, ok := strings.CutPrefix(e.Lake, "s3://")
	if !ok {
		return lake.OpenStore(e.Lake)
	}
	client, err := e.s3(ctx)
	if err != nil {
		return nil, err
	}
	bucket, prefix, _ := strings.Cut(rest, "/")
	return lake.NewS3Store(client, bucket, prefix)
}

// newLake opens the lake for writing; it need not exist.
func (e *env) newLake(ctx context.Context) (*lake.Lake, error) {
	store, err := e.store(ctx)
	if err != nil {
		return nil, err
	}
	l, err := lake.Create(ctx, store)
	if err != nil {
		return nil, awsconn.Explained(err)
	}
	return l, nil
}

// oldLake opens a lake that must exist.
func (e *env) oldLake(ctx context.Context) (*lake.Lake, error) {
	if !isS3(e.Lake) {
		if _, err := os.Stat(e.Lake); errors.Is(err, os.ErrNotExist) {
			return nil, noLake(e.Lake)
		}
	}
	store, err := e.store(ctx)
	if err != nil {
		return nil, err
	}
	l, err := lake.Open(ctx, store)
	if errors.Is(err, lake.ErrNoLake) {
		return nil, noLake(e.Lake)
	}
	if err != nil {
		return nil, awsconn.Explained(err)
	}
	return l, nil
}

func noLake(location string) error {
	return hint(fmt.Errorf("open the lake %s: there is none", location),
		"make one with: athenatrail collect --source s3://TRAIL-BUCKET --lake %s; or look at an example with: athenatrail demo", location)
}

// settings returns what tables are derived with.
func (e *env) settings() (*derive.Settings, error) {
	prices := price.Settings{Units: e.PriceUnits, ZeroByteDML: e.ZeroByteDML}
	for _, p := range e.Prices {
		prices.Prices = append(prices.Prices, price.Override(p))
	}
	table, err := price.NewTable(prices)
	if err != nil {
		return nil, asUsage(err)
	}
	var people *identity.Directory
	if e.Directory.File != "" {
		if people, err = directory.ReadFile(e.Directory.File); err != nil {
			return nil, asUsage(err)
		}
	}
	ladder, err := identity.NewSettings(identity.SettingsOptions{SharedPrincipals: e.SharedPrincipals, Directory: people})
	if err != nil {
		return nil, asUsage(err)
	}
	notes, err := annotation.NewPatterns(e.Comments)
	if err != nil {
		return nil, asUsage(err)
	}
	teams, err := team.New(e.Teams)
	if err != nil {
		return nil, asUsage(err)
	}
	settings := &derive.Settings{Identity: ladder, Prices: table, Notes: notes, Teams: teams}
	settings.AccountNames = map[string]string{}
	for _, account := range e.Accounts {
		if account.Name != "" {
			settings.AccountNames[account.ID] = account.Name
		}
	}
	for _, p := range e.OwnPrincipals {
		settings.Own = append(settings.Own, glob.New(p))
	}
	return settings, nil
}

// A readLake is a lake opened for reports.
type readLake struct {
	*lake.Lake
	ledger     *ledger.Ledger
	db         *report.DB
	dir        string    // the lake on this machine
	completeTo time.Time // zero when unknown
}

// reports opens the lake for reports. An S3 lake is first copied into a cache
// on this machine, as far as it changed.
func (a *app) reports(ctx context.Context, e *env) (*readLake, error) {
	l, err := e.oldLake(ctx)
	if err != nil {
		return nil, err
	}
	r := &readLake{Lake: l, ledger: ledger.New(l)}
	dir := e.Lake
	if isS3(e.Lake) {
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
func (a *app) withReports(ctx context.Context, do func(*env, *readLake) error) error {
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
func (a *app) checkSettings(ctx context.Context, e *env, r *readLake, from, to time.Time) (since time.Time, err error) {
	settings, err := e.settings()
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
		with, err := lake.DerivedWith(ctx, local, lake.QueryExecutions, file.Partition)
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
func (r *readLake) window(e *env, from, to string, now time.Time) (time.Time, time.Time, error) {
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
