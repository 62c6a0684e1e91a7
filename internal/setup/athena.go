package setup

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/athenaapi"
	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/engine"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/source"
	"github.com/athenatrail/athenatrail/internal/systemtable"
	"github.com/athenatrail/athenatrail/internal/unload"
)

// Athena opens the configuration's engine of that name, and tells its region.
func (e *Env) Athena(ctx context.Context, meter *engine.Meter) (*sql.DB, string, error) {
	conn, err := e.AWS(ctx)
	if err != nil {
		return nil, "", err
	}
	s := e.Engine
	cfg, err := conn.Config(ctx, "", s.Region)
	if err != nil {
		return nil, "", awsconn.Explained(fmt.Errorf("athena: %w", err))
	}
	db, err := engine.Athena{
		Config: cfg, WorkGroup: s.WorkGroup, OutputLocation: s.OutputLocation, Catalog: s.Catalog, Database: s.Database,
		Reuse: s.ResultReuse, Cutoff: s.BytesCutoff,
	}.Open(meter)
	return db, cfg.Region, err
}

// fewIDs is below how many ids the API is asked and not the system table: they
// are two calls.
const fewIDs = 100

// systemTable returns what asks an account's system table, and client for what
// that does not know.
func (e *Env) systemTable(ctx context.Context, account, region string, client *athenaapi.Client) (*systemtable.Asker, error) {
	conn, err := e.AWS(ctx)
	if err != nil {
		return nil, err
	}
	cfg, err := conn.Config(ctx, account, region)
	if err != nil {
		return nil, err
	}
	s := e.Engine
	a := engine.Athena{Config: cfg, WorkGroup: s.WorkGroup, Database: "metadata", Cutoff: s.BytesCutoff}
	if s.Region == "" || s.Region == region {
		a.OutputLocation = s.OutputLocation // results lie in the region where they are made
	}
	db, err := a.Open(&e.Statements)
	if err != nil {
		return nil, err
	}
	return &systemtable.Asker{DB: db, Table: s.SystemTable, API: client, AtLeast: fewIDs, Warn: func(err error) {
		if e.Warn != nil {
			e.Warn(fmt.Errorf("account %s, %s: %w", account, region, err))
		}
	}}, nil
}

// Unload returns the feed by which Athena reads the configuration's trail, of
// the days of delivery from from on and before to, zero for all that are over.
// The database is the one of [Env.Athena].
func (e *Env) Unload(ctx context.Context, db *sql.DB, from, to, now time.Time, note func(string)) (*unload.Feed, error) {
	trails := slices.DeleteFunc(slices.Clone(e.Sources), func(s string) bool { return !IsS3(s) })
	if len(trails) != 1 || len(e.Sources) != 1 {
		return nil, asUsage(fmt.Errorf("--on athena reads one source, the s3:// location of the trail of which %s.%s is made: there are %d", e.Engine.Database, unload.Table, len(e.Sources)))
	}
	if from.IsZero() {
		return nil, asUsage(fmt.Errorf("--on athena needs --from: each day costs a statement that reads all that the trail delivered on it"))
	}
	location := e.Engine.Staging
	if location == "" {
		location = e.Engine.OutputLocation
	}
	if location == "" {
		return nil, asUsage(fmt.Errorf("--on athena needs engine.staging_location, an s3:// location where records lie until they are read"))
	}
	location = strings.TrimRight(location, "/") + "/" + unload.Folder
	client, err := e.S3(ctx)
	if err != nil {
		return nil, err
	}
	bucket, prefix, _ := strings.Cut(strings.TrimPrefix(location, "s3://"), "/")
	staging, err := lake.NewS3Store(client, bucket, prefix)
	if err != nil {
		return nil, err
	}
	files, err := source.Parse(ctx, location, source.Deps{S3: e.S3})
	if err != nil {
		return nil, asUsage(err)
	}
	l, err := e.NewLake(ctx)
	if err != nil {
		return nil, err
	}
	catalog := e.Engine.Catalog
	if catalog == "" {
		catalog = engine.DefaultCatalog
	}
	o := unload.Options{
		DB: db, Name: catalog + "." + e.Engine.Database, Source: trails[0], From: dayOf(from), To: dayOf(to),
		Location: location, Staging: staging, Files: files, Ledger: ledger.New(l), RunID: RunID(now), Now: now, Note: note,
	}
	for _, a := range e.Accounts {
		o.Accounts = append(o.Accounts, a.ID)
	}
	if !slices.Contains(e.Regions, "all") {
		o.Regions = e.Regions
	}
	feed, err := unload.New(o)
	return feed, asUsage(err)
}

// dayOf is the day of delivery that a bound lies on, zero for no bound.
func dayOf(t time.Time) athenatrail.Date {
	if t.IsZero() {
		return 0
	}
	return athenatrail.DateOf(t)
}
