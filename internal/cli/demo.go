package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/config"
	"github.com/athenatrail/athenatrail/internal/demo"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/report"
	"github.com/athenatrail/athenatrail/internal/setup"
	"github.com/athenatrail/athenatrail/internal/source"
)

// demoLake is where demo puts its lake: never where a real one is looked for.
const demoLake = "./athenatrail-demo"

// demoRates are how many calls a second demo makes for an account and region.
// Nobody else uses that quota, so it may be used up.
var demoRates = config.Rates{BatchGetQueryExecution: 20, GetSession: 100, GetCalculationExecution: 100, ListTagsForResource: 100}

type demoOptions struct {
	out       string
	events    int
	anomalies uint64
}

func (a *app) demoCommand() *cobra.Command {
	var o demoOptions
	c := &cobra.Command{
		Use:   "demo",
		Short: "Collect and report an invented company, without an AWS account",
		Long: `Invent a company and 35 days of what its people did with Athena, write that as
CloudTrail writes it, answer for Athena on loopback, collect it into the lake
` + demoLake + ` as the real thing is collected, and report it. Nothing leaves this
machine, and the same options give the same lake.`,
		Example: `  athenatrail demo
  athenatrail demo --events 100000 --out ./demo-trail`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context(), o) },
	}
	f := c.Flags()
	f.StringVar(&o.out, "out", "", "keep the log files in this folder DIR, and the truth about them in DIR-truth.jsonl")
	f.IntVar(&o.events, "events", demo.DefaultEvents, "about how many queries the company starts")
	f.Uint64Var(&o.anomalies, "anomalies", 0, "let 30 things stand out in the last two weeks, chosen by this number: see report anomalies")
	f.Bool("no-serve", false, "end after the report, without showing the dashboard, as it does where there is no terminal")
	return c
}

func (a *app) demo(ctx context.Context, o demoOptions) error {
	if o.events < 1 || o.events > 5_000_000 {
		return usage("--events %d: want 1 to 5000000", o.events)
	}
	// Not the user's own file and environment: the same options give the same
	// lake everywhere.
	c, err := a.loadConfig(ctx, true)
	if err != nil {
		return err
	}
	c.Rates = demoRates
	e := setup.New(c, userAgent())
	if !a.flags.Changed("lake") {
		e.Lake = demoLake
	}
	if setup.IsS3(e.Lake) {
		return usage("demo: --lake %s: want a folder on disk", e.Lake)
	}
	if err := emptyDemoLake(ctx, e.Lake); err != nil {
		return err
	}
	company := demo.Generate(demo.Options{Events: o.events, Seed: o.anomalies, Anomalies: o.anomalies > 0})
	if e.Config, err = a.demoConfig(ctx, e, company); err != nil {
		return err
	}
	trail := o.out
	if trail == "" {
		if trail, err = os.MkdirTemp("", "athenatrail-demo-"); err != nil {
			return fmt.Errorf("make a folder for the log files: %w", err)
		}
		defer os.RemoveAll(trail)
	}
	if err := company.WriteTrail(trail); err != nil {
		return fmt.Errorf("write the log files: %w", err)
	}
	if o.out != "" {
		// Beside the folder: in it, it would be read as a log file.
		if err := company.WriteTruth(filepath.Clean(trail) + "-truth.jsonl"); err != nil {
			return fmt.Errorf("write the truth: %w", err)
		}
	}
	api, err := athenaapitest.Start(company.API())
	if err != nil {
		return err
	}
	defer api.Close()
	conn, err := demoConn(ctx, api.URL)
	if err != nil {
		return err
	}
	e.Use(conn)
	a.note("Example Store, an invented company: 35 days, two accounts, two regions")
	src, err := source.Parse(ctx, trail, source.Deps{})
	if err != nil {
		return err
	}
	run, err := e.Collect(ctx, company.Now)
	if err != nil {
		return err
	}
	run.Sources = []source.Source{demoSource{src}}
	sum, err := a.run(ctx, run)
	if err != nil {
		return err
	}
	for _, line := range summaryLines(sum) {
		a.note("%s", line)
	}
	if err := a.demoReports(ctx, e); err != nil {
		return err
	}
	a.note("look further, for instance:")
	for _, line := range []string{
		"cd " + e.Lake + "        # its athenatrail.yaml names the lake, teams and people",
		"athenatrail report users",
		"athenatrail report jobs --from 2026-09-28",
		"athenatrail report notebooks --from 2026-09-28",
		"athenatrail report queries --from 2026-09-28 --limit 10",
		"athenatrail limits status",
		"athenatrail report health",
	} {
		a.note("  %s", line)
	}
	if sum.Incomplete() {
		return a.finish(e, sum)
	}
	if no, err := a.flags.GetBool("no-serve"); err != nil || no || !a.onTerminal() {
		return err
	}
	return a.serveEnv(ctx, e, serveOptions{})
}

// onTerminal reports whether somebody sees what is said and can interrupt it.
func (a *app) onTerminal() bool {
	file, ok := a.stderr.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// Files beside the demo's lake: its configuration, its directory, and what its
// catalog says.
const (
	demoConfigFile    = config.DefaultFile
	demoDirectoryFile = "people.csv"
	demoTablesFile    = "tables.csv"
	demoGrantsFile    = "grants.json"
)

// demoConfig writes the company's configuration into the lake's folder, where
// reports find it, and reads it as they will.
func (a *app) demoConfig(ctx context.Context, e *setup.Env, company *demo.Company) (*config.Config, error) {
	if err := os.MkdirAll(e.Lake, 0o755); err != nil {
		return nil, fmt.Errorf("make the demo's folder: %w", err)
	}
	file := filepath.Join(e.Lake, demoConfigFile)
	for name, text := range map[string]string{
		file:                                     demo.Configuration(".", demoDirectoryFile, demoTablesFile, demoGrantsFile),
		filepath.Join(e.Lake, demoDirectoryFile): demo.Directory(),
		filepath.Join(e.Lake, demoTablesFile):    company.Tables(),
		filepath.Join(e.Lake, demoGrantsFile):    company.Permissions(),
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return nil, fmt.Errorf("write the demo's configuration: %w", err)
		}
	}
	c, err := config.Load(ctx, config.Options{File: file})
	if err != nil {
		return nil, err
	}
	c.Rates, c.Timezone, c.Jobs, c.Lake = e.Rates, e.Timezone, e.Jobs, e.Lake
	return c, nil
}

// demoSource gives the log files a name that is the same in every run.
type demoSource struct{ source.Source }

func (demoSource) Name() string { return "the demo's log files" }

// emptyDemoLake makes way for the demo's lake. It removes nothing but what an
// earlier demo left where demos go.
func emptyDemoLake(ctx context.Context, dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if dir != demoLake {
		return usage("demo: %s is not empty: name another folder with --lake", dir)
	}
	store, err := lake.OpenStore(dir)
	if err != nil {
		return err
	}
	if _, err := lake.Open(ctx, store); err != nil && !interrupted(entries) {
		return hint(fmt.Errorf("demo: %s is there and is no lake of a demo", dir), "move it away, or name another folder with --lake")
	}
	return os.RemoveAll(dir)
}

// interrupted reports whether a demo ended before it had a lake: there is its
// configuration and nothing else.
func interrupted(entries []os.DirEntry) bool {
	for _, e := range entries {
		if !slices.Contains([]string{demoConfigFile, demoDirectoryFile, demoTablesFile, demoGrantsFile}, e.Name()) {
			return false
		}
	}
	return true
}

// demoConn connects to the loopback API as a user of the invented company,
// whatever AWS environment this machine has.
func demoConn(ctx context.Context, url string) (*awsconn.Conn, error) {
	for _, name := range []string{"AWS_ENDPOINT_URL_ATHENA", "AWS_ENDPOINT_URL_STS", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CA_BUNDLE"} {
		os.Unsetenv(name)
	}
	return awsconn.New(ctx, awsconn.Options{
		AssumeRole: demo.DetailsRole,
		UserAgent:  userAgent(),
		Load: []func(*awsconfig.LoadOptions) error{
			awsconfig.WithSharedConfigFiles([]string{}),
			awsconfig.WithSharedCredentialsFiles([]string{}),
			awsconfig.WithRegion(demo.US),
			awsconfig.WithBaseEndpoint(url),
			awsconfig.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(demo.AccessKeyID, demo.SecretAccessKey, "")),
		},
	})
}

// demoReports prints what a new user wants to see first.
func (a *app) demoReports(ctx context.Context, e *setup.Env) error {
	r, err := a.reports(ctx, e)
	if err != nil {
		return err
	}
	defer r.db.Close()
	from, to, err := r.window(e, "2026-09-28", "", time.Now())
	if err != nil {
		return err
	}
	since, err := a.checkSettings(ctx, e, r, from, to)
	if err != nil {
		return err
	}
	view, err := report.Lookup("overview")
	if err != nil {
		return err
	}
	result, err := r.db.Report(ctx, view.Name, report.Params{From: from, To: to, CompleteTo: r.completeTo, CompleteFrom: since, Limit: view.Limit})
	if err != nil {
		return err
	}
	return a.write(result)
}
