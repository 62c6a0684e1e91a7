package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/collect"
	"github.com/athenatrail/athenatrail/internal/config"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/lookup"
	"github.com/athenatrail/athenatrail/internal/setup"
	"github.com/athenatrail/athenatrail/internal/source"
)

type collectOptions struct {
	from, to string
	dryRun   bool

	follow   bool
	interval time.Duration
	listen   string
	noLimits bool
	on       string
}

func (a *app) collectCommand() *cobra.Command {
	var o collectOptions
	c := &cobra.Command{
		Use:   "collect --source S",
		Short: "Read log files, ask Athena for details, and bring the lake up to date",
		Long: `Read the log files of a trail that were not read before, ask Athena for what
they do not hold (SQL, bytes, state), and bring the lake up to date. Running it
again changes nothing; running it in two places at once is safe.

A source is a folder or file of log files, - for standard input,
s3://bucket[/prefix], sqs:URL of a queue that is told of new log files, or
lookup-events, which asks CloudTrail's own history of 90 days in each account
and region and needs no trail. Log files may be compressed or not, of one
account or an organization. A bucket is listed from where the last run came to, less the
look-back; --from and --to bound instead when the log files were delivered, by
day, and log files of the look-back after --to are read too, since some come
late.

With --on athena, Athena reads the trail in the place of this machine, by the
table cloudtrail_logs of athenatrail ddl: one statement for each day of delivery
that is over and was not unloaded before, of which Athena charges what the day's
log files have. --from is needed. docs/engines.md says more.

With --follow it goes on until it is stopped, looking for new log files every
interval; a queue is waited at. On SIGTERM or Ctrl-C it stores what it has read
and ends. Meanwhile /healthz and /metrics (Prometheus) answer at --listen. After
each look the limits that warn or enforce are applied, as athenatrail limits apply
does, unless --no-limits is given.

--dry-run reads a sample of the log files to say how much the run would ask
Athena, and changes nothing.

Exit code 3 means that it is done but for what the last lines name. The next run
tries again what could not be fetched or asked; a damaged log file is read again
when it changes.`,
		Example: `  athenatrail collect --source s3://my-trail-bucket --assume-role 'arn:aws:iam::{account}:role/athenatrail'
  athenatrail collect --source ./AWSLogs --no-details
  zcat *.json.gz | athenatrail collect --source -
  athenatrail collect --source lookup-events --region eu-west-1 --from 30d --dry-run
  athenatrail collect --source s3://my-trail-bucket --on athena --from 2026-08-01 --to 2026-11-01
  athenatrail collect --source sqs:https://sqs.eu-west-1.amazonaws.com/111122223333/trail --follow`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.collect(cmd.Context(), o) },
	}
	f := c.Flags()
	f.StringArray("source", nil, "where records are, repeatable: a folder or file, -, s3://bucket[/prefix], sqs:URL or lookup-events")
	f.StringVar(&o.from, "from", "", "read log files delivered from this day on: 2026-11-01, 7d, yesterday")
	f.StringVar(&o.to, "to", "", "read log files delivered before this day")
	f.StringVar(&o.on, "on", "", "athena: let Athena read the trail, for one that is too big to pull")
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be read and asked, and do nothing")
	f.BoolVar(&o.follow, "follow", false, "go on until stopped")
	f.DurationVar(&o.interval, "interval", 20*time.Second, "with --follow, the pause between two looks for new log files")
	f.StringVar(&o.listen, "listen", "127.0.0.1:9464", "with --follow, where /healthz and /metrics answer; empty: nowhere")
	f.BoolVar(&o.noLimits, "no-limits", false, "with --follow, do not apply limits")
	f.Bool("no-details", false, "do not ask Athena: rows keep the gap no_detail")
	f.Int("jobs", 0, "log files read side by side (default: one a core)")
	f.Duration("lookback", 0, "how late a log file may be delivered and still be looked for (default 48h)")
	return c
}

func (a *app) collect(ctx context.Context, o collectOptions) error {
	e, err := a.env(ctx)
	if err != nil {
		return err
	}
	if len(e.Sources) == 0 {
		return &exitError{exitUsage, hint(errors.New("collect: no source"),
			"name one with --source FOLDER or --source s3://BUCKET, or as sources: in athenatrail.yaml")}
	}
	now := time.Now()
	from, to, err := collectWindow(e, o, now)
	if err != nil {
		return err
	}
	if o.on != "" {
		return a.collectOn(ctx, e, o, from, to, now)
	}
	life := ctx
	if o.follow { // on being stopped, what was received is stored first
		life = context.WithoutCancel(ctx)
	}
	ways, err := e.Ways(life, a.stdin, source.Bounds{From: from, To: to})
	if err != nil {
		return err
	}
	if o.follow {
		return a.follow(ctx, e, o, ways)
	}
	if o.dryRun {
		if err := a.foreseeFeeds(ctx, ways.Feeds); err != nil {
			return err
		}
		if len(ways.Sources) == 0 {
			return nil
		}
	}
	var sum *collect.Summary
	for more := true; more; { // a queue is emptied in parts
		run, err := e.Collect(ctx, now)
		if err != nil {
			return err
		}
		run.Sources, run.Feeds, run.DryRun = ways.Sources, ways.Feeds, o.dryRun
		run.Bounds = source.Bounds{From: from, To: to}
		part, err := a.run(ctx, run)
		if err != nil {
			return err
		}
		sum = sum.Plus(part)
		more = part.More && !o.dryRun
	}
	return errors.Join(a.finish(e, sum), a.sayAsked(ctx, e))
}

// foreseeFeeds says how many calls of CloudTrail a run would take, and how long.
func (a *app) foreseeFeeds(ctx context.Context, feeds []source.Feed) error {
	for _, feed := range feeds {
		lookup, ok := feed.(*lookup.Feed)
		if !ok {
			continue
		}
		estimates, err := lookup.Estimate(ctx)
		if err != nil {
			return err
		}
		for _, e := range estimates {
			if e.Err != nil {
				a.say("warning", fmt.Errorf("%s: %w", e.Name, e.Err))
				continue
			}
			about := "about "
			if e.Exact {
				about = ""
			}
			a.note("%s: would ask CloudTrail in %s%s, which takes %s%s", e.Name, about, count(int64(e.Calls), "call"), about, e.Time.Round(time.Second))
		}
	}
	return nil
}

func collectWindow(e *setup.Env, o collectOptions, now time.Time) (from, to time.Time, err error) {
	if o.from != "" {
		if from, err = config.ParseTime(o.from, now, e.Timezone); err != nil {
			return from, to, usage("--from: %w", err)
		}
	}
	if o.to != "" {
		if to, err = config.ParseTime(o.to, now, e.Timezone); err != nil {
			return from, to, usage("--to: %w", err)
		}
	}
	switch {
	case !to.IsZero() && !from.Before(to):
		return from, to, usage("--from %s is not before --to %s", o.from, o.to)
	case from.After(now):
		return from, to, usage("--from %s lies in the future", o.from)
	case o.follow && o.to != "":
		return from, to, usage("--follow goes on until it is stopped: it takes no --to")
	case o.follow && o.dryRun:
		return from, to, usage("--follow cannot be tried with --dry-run")
	case o.on != "" && o.on != config.EngineAthena:
		return from, to, usage("--on %s: want athena", o.on)
	case o.follow && o.on != "":
		return from, to, usage("--follow cannot go together with --on: it looks for new log files, and Athena reads days that are over")
	case o.follow && o.interval < 100*time.Millisecond:
		return from, to, usage("--interval %v: want at least 100ms", o.interval)
	}
	return from, to, nil
}

// run does one collection run into the lake of the configuration, showing how
// far it is.
func (a *app) run(ctx context.Context, o collect.Options) (*collect.Summary, error) {
	limitMemory()
	bar := a.progress()
	defer bar.close()
	o.Progress = bar.show
	sum, err := collect.Run(ctx, o)
	return sum, awsconn.Explained(err)
}

// limitMemory makes garbage be collected when three quarters of what is in use
// has come together, and not as much: collecting fills its buffers again and
// again, so that this costs little, and keeps the process under 256 MiB.
func limitMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(75)
	}
}

// finish says what a run did, and makes its exit code.
func (a *app) finish(e *setup.Env, sum *collect.Summary) error {
	for _, line := range summaryLines(sum) {
		a.note("%s", line)
	}
	for _, p := range sum.Problems {
		a.say("warning", errors.New(p))
	}
	if sum.Further > 0 {
		a.say("warning", fmt.Errorf("and %d more such lines", sum.Further))
	}
	if !sum.Incomplete() {
		return nil
	}
	return &exitError{exitIncomplete, hint(errors.New("done, but not everything could be read or asked"),
		"the rest is in the lake; the next run tries again what could not be fetched or asked, and damaged log files once they change; athenatrail report health --lake %s lists them", e.Lake)}
}

// summaryLines says in a few lines what a run did, or would do.
func summaryLines(s *collect.Summary) []string {
	if s.DryRun {
		lines := []string{fmt.Sprintf("would read %s (%s) of %s listed; %s known already", count(s.ToRead, "log file"), format.HumanBytes(s.ToReadLen), count(s.Listed, ""), count(s.Known, ""))}
		if s.Waiting > 0 {
			lines = append(lines, fmt.Sprintf("about %s in queues", count(s.Waiting, "message waits", "messages wait")))
		}
		if s.Asking {
			lines = append(lines, foreseenLine(s))
		}
		return lines
	}
	lines := []string{fmt.Sprintf("read %s (%s, %s of JSON), %s known already", count(s.Read, "log file"), format.HumanBytes(s.ReadLen), format.HumanBytes(s.Inflated), count(s.Known, ""))}
	if s.Pages > 0 {
		lines = append(lines, fmt.Sprintf("read %s", count(s.Pages, "page")))
	}
	if s.Read+s.Pages > 0 {
		lines = append(lines, fmt.Sprintf("of %s, %s are Athena's, of STS or of Lake Formation: %s kept, %s of no use here, %s undecodable; %s to the lake",
			count(s.Records, "record"), count(s.Candidates, ""), count(s.Kept, ""), count(s.Dropped, ""), count(s.Undecodable, ""), count(s.Changed, "fact was new", "facts were new")))
	}
	if s.Wanted > 0 {
		var parts []string
		for _, outcome := range slices.Sorted(maps.Keys(s.Outcomes)) {
			parts = append(parts, count(s.Outcomes[outcome], "")+" "+strings.ReplaceAll(outcome, "_", " "))
		}
		lines = append(lines, fmt.Sprintf("details of %s: %s", count(s.Wanted, "execution"), strings.Join(parts, ", ")))
	}
	return append(lines, fmt.Sprintf("derived %s", count(s.Derived, "day of an account and region", "days of an account and region")))
}

// foreseenLine says what a run would ask of Athena.
func foreseenLine(s *collect.Summary) string {
	f := s.Foreseen
	what := []string{count(f.Executions, "execution")}
	if f.Sessions > 0 {
		what = append(what, count(f.Sessions, "session"))
	}
	if f.Calculations > 0 {
		what = append(what, count(f.Calculations, "calculation"))
	}
	about, from := "", ""
	if f.Sampled < s.ToRead {
		about, from = "about ", fmt.Sprintf(", to judge by %s", count(f.Sampled, "of the log files", "of the log files"))
	}
	return fmt.Sprintf("would ask Athena for %s%s in %s%s%s", about, strings.Join(what, ", "), about, count(f.Calls, "call"), from)
}

// count writes a number with its noun, in the plural if need be.
func count(n int64, noun ...string) string {
	text := thousands(n)
	if len(noun) == 0 || noun[0] == "" {
		return text
	}
	if n == 1 {
		return text + " " + noun[0]
	}
	if len(noun) > 1 {
		return text + " " + noun[1]
	}
	return text + " " + noun[0] + "s"
}

func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// A progress shows how far a run has come, on a terminal and nowhere else.
type progress struct {
	mu    sync.Mutex
	file  *os.File // nil shows nothing
	stage string
	bar   *progressbar.ProgressBar
}

func (a *app) progress() *progress {
	file, ok := a.stderr.(*os.File)
	if !ok || a.quiet || !term.IsTerminal(int(file.Fd())) {
		return &progress{}
	}
	return &progress{file: file}
}

var stageTitles = map[string]string{
	collect.StageRead:    "reading log files",
	collect.StageFeeds:   "reading pages    ",
	collect.StageDetails: "asking Athena    ",
	collect.StageDerive:  "deriving days    ",
}

func (p *progress) show(at collect.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file == nil || at.Total == 0 {
		return
	}
	if p.stage != at.Stage {
		p.finish()
		p.stage = at.Stage
		p.bar = progressbar.NewOptions64(at.Total,
			progressbar.OptionSetWriter(p.file),
			progressbar.OptionSetDescription(stageTitles[at.Stage]),
			progressbar.OptionShowCount(),
			progressbar.OptionSetWidth(30),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionSetPredictTime(true),
			progressbar.OptionClearOnFinish(),
		)
	}
	if at.Total > 0 {
		p.bar.ChangeMax64(at.Total) // more may have been listed
	}
	p.bar.Set64(at.Done)
}

// derived returns what shows each day that is derived, told how many remain.
func (p *progress) derived() func(athenatrail.Partition, int) {
	total := int64(0)
	return func(_ athenatrail.Partition, remaining int) {
		total = max(total, int64(remaining)+1)
		p.show(collect.Progress{Stage: collect.StageDerive, Done: total - int64(remaining), Total: total})
	}
}

func (p *progress) finish() {
	if p.bar != nil {
		p.bar.Clear()
		p.bar = nil
	}
}

func (p *progress) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.finish()
}
