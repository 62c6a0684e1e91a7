package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/athenatrail/athenatrail/internal/athenaapi"
	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/collect"
	"github.com/athenatrail/athenatrail/internal/config"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/lookup"
	"github.com/athenatrail/athenatrail/internal/setup"
	"github.com/athenatrail/athenatrail/internal/source"
)

func (a *app) doctorCommand() *cobra.Command {
	all := false
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check what can be reached, and which permission is missing",
		Long: `Check the configuration, the lake, the sources, the channels of notify, the
credentials, and for every account and region configured that Athena may be
asked: one line each, with the
fix. It reads and writes nothing but a probe in the lake's place, and sends
nothing on the channels. Exit code 3 means that a check failed.

With --all-accounts it prints a table instead, of every account that the
configuration, the events of the last 45 days and, where that may be asked, the
organization name, in every region that it uses: whether its role can be taken,
what collect may ask there, and the permission that is missing with the policy
that has it. One account that fails holds up no other. Of the other checks only
those that fail are said. It makes a few calls in each account and region.`,
		Example: `  athenatrail doctor --source s3://my-trail-bucket --region eu-west-1
  athenatrail doctor --all-accounts --assume-role 'arn:aws:iam::{account}:role/athenatrail-reader'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context(), all) },
	}
	c.Flags().StringArray("source", nil, "where log files are, repeatable")
	c.Flags().Bool("no-details", false, "do not check that Athena can be asked")
	c.Flags().BoolVar(&all, "all-accounts", false, "check every account that is known, in every region that it uses")
	return c
}

// A check is one line of doctor.
type check struct{ what, subject, result, detail, fix string }

const (
	checkOK     = "ok"
	checkFailed = "failed"
	checkNote   = "note"
)

func (a *app) doctor(ctx context.Context, all bool) error {
	e, err := a.env(ctx)
	if err != nil {
		return err
	}
	d := &doctor{Env: e, stdin: a.stdin}
	d.configuration()
	d.environment(os.Environ())
	d.lake(ctx)
	d.sources(ctx)
	d.channels(ctx)
	if all {
		failed, err := a.allAccounts(ctx, d)
		if err == nil && failed {
			return &exitError{code: exitIncomplete}
		}
		return err
	}
	if e.Details != config.DetailsNone {
		d.athena(ctx)
	}
	var rows [][]any
	failed := false
	for _, c := range d.checks {
		failed = failed || c.result == checkFailed
		rows = append(rows, []any{c.what, c.subject, c.result, c.detail, c.fix})
	}
	columns := []format.Column{}
	for _, name := range []string{"check", "subject", "result", "detail", "fix"} {
		columns = append(columns, format.Column{Name: name, Kind: format.Text})
	}
	if err := a.write(&format.Result{View: "doctor", Columns: columns, Rows: format.RowsOf(rows)}); err != nil {
		return err
	}
	if failed {
		return &exitError{code: exitIncomplete}
	}
	return ctx.Err()
}

type doctor struct {
	*setup.Env
	stdin  interface{ Read([]byte) (int, error) }
	checks []check
}

func (d *doctor) ok(what, subject, detail string, args ...any) {
	d.checks = append(d.checks, check{what, subject, checkOK, fmt.Sprintf(detail, args...), ""})
}

func (d *doctor) note(what, subject, detail, fix string) {
	d.checks = append(d.checks, check{what, subject, checkNote, detail, fix})
}

func (d *doctor) failed(what, subject string, err error) {
	err = awsconn.Explained(err)
	fix := ""
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		fix = h.Hint()
	}
	d.checks = append(d.checks, check{what, subject, checkFailed, err.Error(), fix})
}

func (d *doctor) configuration() {
	if d.File == "" {
		d.note("configuration", "defaults", "no file", "")
	} else {
		d.ok("configuration", d.File, "read and checked")
	}
	if _, err := d.Settings(); err != nil {
		d.failed("configuration", "prices and principals", err)
	}
}

// environment names variables that look like ours and set nothing: a setting
// under a name that nobody reads is missing, and nothing else says so.
func (d *doctor) environment(environ []string) {
	for _, v := range config.Unused(environ) {
		switch {
		case v.Empty:
			d.note("environment", v.Name, "it is empty, and sets nothing", "give it a value, or unset it")
		case v.Meant != "":
			d.note("environment", v.Name, "it is no setting, and nothing reads it", "did you mean "+v.Meant+"?")
		default:
			d.note("environment", v.Name, "it is no setting, and nothing reads it", "athenatrail config lists those that there are")
		}
	}
}

func (d *doctor) lake(ctx context.Context) {
	store, err := d.Store(ctx)
	if err != nil {
		d.failed("lake", d.Lake, err)
		return
	}
	l, err := lake.Open(ctx, store)
	switch {
	case errors.Is(err, lake.ErrNoLake):
		if _, err := lake.Create(ctx, store); err != nil {
			d.failed("lake", d.Lake, err)
			return
		}
		d.note("lake", d.Lake, "there is none yet", "the first collect makes it")
	case err != nil:
		d.failed("lake", d.Lake, err)
		return
	default:
		d.ok("lake", d.Lake, "format version %d", lake.FormatVersion)
		// A probe beside the locks, which no reader looks at.
		if err := l.Probe(ctx); err != nil {
			d.failed("lake can be written", d.Lake, err)
			return
		}
		d.ok("lake can be written", d.Lake, "wrote a probe and removed it")
	}
}

func (d *doctor) sources(ctx context.Context) {
	if len(d.Sources) == 0 {
		d.note("source", "", "none is configured", "name one with --source, ATHENATRAIL_SOURCES, or sources: in athenatrail.yaml")
	}
	for _, spec := range d.Sources {
		if spec == "-" {
			d.note("source", spec, "standard input is not looked at", "")
			continue
		}
		if strings.HasPrefix(spec, "sqs:") {
			d.note("source", spec, "a queue is not looked at: that would hide its messages from who reads them", "")
			continue
		}
		if strings.HasPrefix(spec, lookup.Name) {
			d.lookups(ctx, spec)
			continue
		}
		src, err := source.Parse(ctx, spec, source.Deps{Stdin: d.stdin, S3: d.S3, Lookback: d.Lookback})
		if err != nil {
			d.failed("source", spec, err)
			continue
		}
		d.source(ctx, src)
	}
}

// lookups looks events up in the own account.
func (d *doctor) lookups(ctx context.Context, spec string) {
	conn, err := d.AWS(ctx)
	if err != nil {
		d.failed("source", spec, err)
		return
	}
	cfg, err := conn.Config(ctx, "", "")
	if err == nil {
		err = lookup.Allowed(ctx, cfg, time.Now())
	}
	if err != nil {
		d.failed("source", spec, err)
		return
	}
	d.ok("source", spec, "cloudtrail:LookupEvents answers in %s; --all-accounts asks in all", conn.Region())
}

// source lists a source up to its first log file, and opens that.
func (d *doctor) source(ctx context.Context, src source.Source) {
	// The days of the last week are enough, and cheap to list.
	now := time.Now()
	for _, from := range []time.Time{now.Add(-7 * 24 * time.Hour), {}} {
		for o, err := range src.List(ctx, source.Bounds{From: from}) {
			if errors.Is(err, source.ErrNoLogs) {
				d.failed("source", src.Name(), err)
				return
			}
			if err != nil {
				d.failed("source", src.Name(), err)
				return
			}
			body, err := src.Open(ctx, o)
			if err == nil {
				_, err = body.Read(make([]byte, 1))
				body.Close()
			}
			if err != nil {
				d.failed("source can be read", o.Key, err)
				return
			}
			d.ok("source", src.Name(), "listed, and read %s", o.Key)
			return
		}
	}
	d.note("source", src.Name(), "no log files", "")
}

// probeID is an id that no execution has.
const probeID = "00000000-0000-4000-8000-000000000000"

func (d *doctor) athena(ctx context.Context) {
	conn, err := d.AWS(ctx)
	if err != nil {
		d.failed("credentials", "", err)
		return
	}
	caller, err := conn.Caller(ctx)
	if err != nil {
		d.failed("credentials", "", err)
		return
	}
	d.ok("credentials", caller.ARN, "account %s", caller.Account)
	accounts := []string{caller.Account}
	for _, account := range d.Accounts {
		if account.Details != config.DetailsNone && account.ID != caller.Account {
			accounts = append(accounts, account.ID)
		}
	}
	asked := d.Askers()
	for _, account := range accounts {
		for _, region := range d.regionsOf(account, conn.Region()) {
			subject := account + " " + region
			asker, err := asked.Of(ctx, account, region)
			switch {
			case errors.Is(err, collect.ErrNoRole):
				d.note("athena", subject, "no role into the account: its executions will have the gap no_access", "add the account with a role under accounts:, or --assume-role")
				continue
			case err != nil:
				d.failed("athena", subject, err)
				continue
			case asker == nil:
				continue
			}
			for answer := range asker.Details(ctx, time.Now(), []athenaapi.Wanted{{ID: probeID, Started: time.Now()}}) {
				switch {
				case answer.Err != nil:
					d.failed("athena", subject, answer.Err)
				case answer.Detail.Outcome == "denied":
					d.failed("athena", subject, hint(errors.New(answer.Detail.Message), "attach deploy/policy/details.json to the role"))
				default:
					d.ok("athena", subject, "athena:BatchGetQueryExecution answers")
				}
			}
		}
	}
}

func (d *doctor) regionsOf(account, own string) []string {
	for _, a := range d.Accounts {
		if a.ID == account && len(a.Regions) > 0 && !slices.Contains(a.Regions, "all") {
			return a.Regions
		}
	}
	if len(d.Regions) > 0 && !slices.Contains(d.Regions, "all") {
		return d.Regions
	}
	return []string{own}
}
