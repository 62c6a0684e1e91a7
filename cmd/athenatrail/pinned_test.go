package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/athenaapi"
	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/collect"
	"github.com/athenatrail/athenatrail/internal/demo"
	"github.com/athenatrail/athenatrail/internal/derive"
	"github.com/athenatrail/athenatrail/internal/identity"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/price"
	"github.com/athenatrail/athenatrail/internal/source"
)

// pinnedProgram collects as athenatrail does, but with the clock of the
// demo's company, which Athena's 45 days are counted from: a test that ran in
// another month would otherwise collect another lake.
//
//	collect-pinned SOURCE LAKE NOW API-URL
const pinnedProgram = "collect-pinned"

func pinnedMain() {
	if err := collectPinned(context.Background(), os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func collectPinned(ctx context.Context, from, to, clock, api string) error {
	now, err := time.Parse(time.RFC3339, clock)
	if err != nil {
		return err
	}
	client := func(ctx context.Context) (*s3.Client, error) {
		conn, err := awsconn.New(ctx, awsconn.Options{})
		if err != nil {
			return nil, err
		}
		cfg, err := conn.Config(ctx, "", "")
		return source.NewClient(cfg), err
	}
	src, err := source.Parse(ctx, from, source.Deps{S3: client})
	if err != nil {
		return err
	}
	store, err := pinnedStore(ctx, to, client)
	if err != nil {
		return err
	}
	l, err := lake.Create(ctx, store)
	if err != nil {
		return err
	}
	people, err := identity.NewSettings(identity.SettingsOptions{})
	if err != nil {
		return err
	}
	prices, err := price.NewTable(price.Settings{})
	if err != nil {
		return err
	}
	conn, err := awsconn.New(ctx, awsconn.Options{AssumeRole: demo.DetailsRole, Load: []func(*awsconfig.LoadOptions) error{
		awsconfig.WithRegion(demo.US),
		awsconfig.WithBaseEndpoint(api),
		awsconfig.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(demo.AccessKeyID, demo.SecretAccessKey, "")),
	}})
	if err != nil {
		return err
	}
	sum, err := collect.Run(ctx, collect.Options{
		Lake: l, Ledger: ledger.New(l), Sources: []source.Source{src}, Limits: cloudtrail.DefaultLimits,
		Settings: &derive.Settings{Identity: people, Prices: prices},
		Details:  pinnedDetails{conn, fastPacers()},
		Jobs:     2, Now: now, RunID: "pid-" + strconv.Itoa(os.Getpid()) + "-" + strconv.FormatInt(time.Now().UnixNano(), 36),
	})
	if err != nil {
		return err
	}
	if sum.Incomplete() {
		return fmt.Errorf("incomplete: %s", strings.Join(sum.Problems, "; "))
	}
	fmt.Printf("read %d, known %d, derived %d\n", sum.Read, sum.Known, sum.Derived)
	return nil
}

func pinnedStore(ctx context.Context, location string, client func(context.Context) (*s3.Client, error)) (lake.Store, error) {
	rest, ok := strings.CutPrefix(location, "s3://")
	if !ok {
		return lake.OpenStore(location)
	}
	c, err := client(ctx)
	if err != nil {
		return nil, err
	}
	bucket, prefix, _ := strings.Cut(rest, "/")
	return lake.NewS3Store(c, bucket, prefix)
}

type pinnedDetails struct {
	conn   *awsconn.Conn
	pacers *athenaapi.Pacers
}

func (d pinnedDetails) Of(ctx context.Context, account, region string) (collect.Asker, error) {
	cfg, err := d.conn.Config(ctx, account, region)
	if err != nil {
		return nil, err
	}
	return athenaapi.New(cfg, account, d.pacers), nil
}

// A story is some days of the demo's trail on disk, and the Athena API that
// knows its executions.
type story struct {
	trail   string
	company *demo.Company
	api     *athenaapitest.Server
}

// newStory writes a trail with the log files delivered on some days of October
// 2026.
func newStory(t testing.TB, events int, days ...string) *story {
	t.Helper()
	s := &story{trail: t.TempDir(), company: demo.Generate(demo.Options{Events: events})}
	if err := s.company.WriteTrail(s.trail); err != nil {
		t.Fatal(err)
	}
	left := 0
	err := filepath.WalkDir(s.trail, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		// .../2026/10/27/FILE
		if parts := strings.Split(filepath.ToSlash(path), "/"); !slices.Contains(days, parts[len(parts)-2]) || parts[len(parts)-3] != "10" {
			return os.Remove(path)
		}
		left++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if left < 50 {
		t.Fatalf("the trail has %d log files", left)
	}
	s.api = s.serve(t, nil)
	return s
}

// serve starts the company's Athena API, with changes to it.
func (s *story) serve(t testing.TB, change func(*athenaapitest.Config)) *athenaapitest.Server {
	t.Helper()
	config := s.company.API()
	// The children come and go faster than real ones; the quota is another
	// test's.
	config.Rates = map[string]athenaapitest.Rate{}
	for _, operation := range []string{athenaapi.OpBatchGetQueryExecution, athenaapi.OpGetSession, athenaapi.OpGetCalculationExecution} {
		config.Rates[operation] = athenaapitest.Unlimited
	}
	if change != nil {
		change(&config)
	}
	api, err := athenaapitest.Start(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { api.Close() })
	return api
}

// args are the arguments of pinnedProgram.
func (s *story) args(trail, lake string) []string {
	return []string{trail, lake, s.company.Now.Format(time.RFC3339), s.api.URL}
}

// undisturbed returns the lake of one whole run, and how long that took.
func (s *story) undisturbed(t testing.TB) (files map[string]string, took time.Duration) {
	t.Helper()
	dir := t.TempDir()
	cmd := program(t, t.Context(), pinnedProgram, nil, s.args(s.trail, dir)...)
	start := time.Now()
	ended(t, cmd).mustEnd(t, 0)
	took = time.Since(start)
	store := diskLake(t, dir)
	mustBeSound(t, store)
	files = contents(t, store)
	if len(files) < 30 {
		t.Fatalf("the undisturbed lake has %d files: %v", len(files), files)
	}
	return files, took
}

// fastPacers ask as fast as a test can wait for.
func fastPacers() *athenaapi.Pacers {
	p := athenaapi.NewPacers(200)
	p.SetRate(athenaapi.OpGetSession, 200)
	p.SetRate(athenaapi.OpGetCalculationExecution, 200)
	return p
}
