package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/athenatrail/athenatrail/internal/athenaapi"
	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/collect"
	"github.com/athenatrail/athenatrail/internal/config"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/setup"
	"github.com/athenatrail/athenatrail/internal/source"
)

func (a *app) doctorCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check what can be reached, and which permission is missing",
		Long: `Check the configuration, the lake, the sources, the credentials, and for every
account and region configured that Athena may be asked: one line each, with the
fix. It reads and writes nothing but a probe in the lake's place. Exit code 3
means that a check failed.`,
		Example: `  athenatrail doctor --source s3://my-trail-bucket --region eu-west-1`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context()) },
	}
	c.Flags().StringArray("source", nil, "where log files are, repeatable")
	c.Flags().Bool("no-details", false, "do not check that Athena can be asked")
	return c
}

// A check is one line of doctor.
type check struct{ what, subject, result, detail, fix string }

const (
	checkOK     = "ok"
	checkFailed = "failed"
	checkNote   = "note"
)

func (a *app) doctor(ctx context.Context) error {
	e, err := a.env(ctx)
	if err != nil {
		return err
	}
	d := &doctor{Env: e, stdin: a.stdin}
	d.configuration()
	d.lake(ctx)
	d.sources(ctx)
	if e.Details == config.DetailsAPI {
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
		d.note("source", "", "none is configured", "name one with --source, or as sources: in athenatrail.yaml")
	}
	for _, spec := range d.Sources {
		if spec == "-" {
			d.note("source", spec, "standard input is not looked at", "")
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
