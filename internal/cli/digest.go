package cli

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/limit"
	"github.com/athenatrail/athenatrail/internal/meter"
	"github.com/athenatrail/athenatrail/internal/notify"
	"github.com/athenatrail/athenatrail/internal/recap"
	"github.com/athenatrail/athenatrail/internal/report"
	"github.com/athenatrail/athenatrail/internal/setup"
)

type digestOptions struct {
	period string
	send   bool
}

// outputText is what digest writes where the user does not say.
const outputText = "text"

func (a *app) digestCommand() *cobra.Command {
	var o digestOptions
	c := &cobra.Command{
		Use:   "digest",
		Short: "Sum up the last day or week: cost, movers, limits at risk, what to mend",
		Long: `Sum up the last whole day or week (from Monday on, in the time zone of the
configuration) that the lake is complete to: what was spent against the period
before, whose cost changed most, who is near a limit, and which findings could
save most.

With --send it goes to the channels of the configuration that are for the kind
digest, once for each period and channel, however often and by however many
processes it is run: for cron.`,
		Example: `  athenatrail digest
  athenatrail digest --period day --output html > yesterday.html
  athenatrail collect && athenatrail digest --send`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.digest(cmd.Context(), o) },
	}
	f := c.Flags()
	f.StringVar(&o.period, "period", string(recap.Week), "day or week")
	f.BoolVar(&o.send, "send", false, "send it to the channels that are for digests, instead of printing it")
	return c
}

// digestOutput refuses formats that a digest does not have.
func (a *app) digestOutput(cmd *cobra.Command) error {
	if cmd.Flags().Changed("output") && a.output != outputText && a.output != outputHTML {
		return usage("--output %q: a digest is text or html; for data see athenatrail report", a.output)
	}
	return nil
}

func (a *app) digest(ctx context.Context, o digestOptions) error {
	period := recap.Period(o.period)
	if period != recap.Day && period != recap.Week {
		return usage("--period %q: want day or week", o.period)
	}
	return a.withReports(ctx, func(e *setup.Env, r *readLake) error {
		if o.send && len(e.Notify) == 0 {
			return &exitError{exitUsage, noChannels(e)}
		}
		if r.completeTo.IsZero() {
			return hint(errors.New("the lake does not say up to when it is complete"), "collect first: a digest is of whole days")
		}
		now := time.Now()
		if behind := now.Sub(r.completeTo); behind > 26*time.Hour {
			a.say("warning", hint(fmt.Errorf("the lake is complete to %s only, so the digest is of the last %s before that", r.completeTo.In(e.Timezone).Format("2006-01-02 15:04 MST"), period), "athenatrail collect brings it up to date"))
		}
		d, err := a.recap(ctx, e, r, period, now)
		if err != nil {
			return err
		}
		pictures, err := d.Pictures()
		if err != nil {
			return err
		}
		switch {
		case o.send:
			return a.sendDigest(ctx, e, d, pictures, now)
		case a.output == outputHTML:
			return a.digestFile(d, pictures)
		}
		_, err = fmt.Fprintf(a.stdout, "%s\n\n%s", format.Safe(d.Headline()), d.Text())
		return err
	})
}

// recap asks the views for the last period that the lake is complete to.
func (a *app) recap(ctx context.Context, e *setup.Env, r *readLake, period recap.Period, now time.Time) (*recap.Recap, error) {
	end := r.completeTo
	if now.Before(end) {
		end = now
	}
	from, to := period.Last(end, e.Timezone)
	params := report.Params{CompleteTo: r.completeTo}
	for _, p := range e.PartitionColumns {
		params.PartitionColumns = append(params.PartitionColumns, report.PartitionColumn(p))
	}
	var err error
	if params.Prices, err = reportPrices(e); err != nil {
		return nil, err
	}
	if params.CompleteFrom, err = a.checkSettings(ctx, e, r, from, to); err != nil {
		return nil, err
	}
	views := func(ctx context.Context, view string, by []string, from, to time.Time) (*format.Result, error) {
		p := params
		p.By, p.From, p.To = by, from, to
		return r.db.Sorted(ctx, view, p, report.Order{})
	}
	standing, err := a.standing(ctx, e, r, now)
	if err != nil {
		return nil, err
	}
	return recap.Make(ctx, views, period, from, to, r.completeTo, standing)
}

// standing returns how things stand with the limits, nil if there are none.
func (a *app) standing(ctx context.Context, e *setup.Env, r *readLake, now time.Time) (*limit.Report, error) {
	limits, err := e.CompileLimits()
	if err != nil {
		return nil, asUsage(err)
	}
	if len(limits.All()) == 0 {
		return nil, nil
	}
	m, err := meter.Moment(ctx, r.Lake, now, time.Time{})
	if err != nil {
		return nil, awsconn.Explained(err)
	}
	standing, err := meter.Report(ctx, r.Lake, limits, m, true)
	return standing, awsconn.Explained(err)
}

// sendDigest sends the digest to the channels that are for it.
func (a *app) sendDigest(ctx context.Context, e *setup.Env, d *recap.Recap, pictures []recap.Picture, now time.Time) error {
	m := notify.Message{
		Key: "digest/" + string(d.Period) + "/" + d.From.Format(time.DateOnly), At: d.From, Kind: notify.Digest,
		Headline: d.Headline(), Text: d.Text(),
	}
	var err error
	if m.HTML, err = d.HTML(pictures, func(p recap.Picture) string { return "cid:" + p.Name }); err != nil {
		return err
	}
	for _, p := range pictures {
		m.Pictures = append(m.Pictures, notify.Picture{Name: p.Name, PNG: p.PNG})
	}
	l, err := e.NewLake(ctx)
	if err != nil {
		return err
	}
	n, err := e.Notifier(ctx, l)
	if err != nil {
		return err
	}
	result, err := n.Send(ctx, now, []notify.Message{m})
	for _, problem := range result.Problems {
		a.say("warning", problem)
	}
	if err != nil {
		return awsconn.Explained(err)
	}
	if result.Nobody > 0 {
		return hint(errors.New("no channel of the configuration is for the kind digest"), "add it to the kinds of one, or leave kinds out")
	}
	a.note("digest of %s: %s", d.When(), result.String())
	if len(result.Problems) > 0 {
		return &exitError{code: exitIncomplete}
	}
	return nil
}

// digestFile writes the digest as a page of its own, with its pictures in it.
func (a *app) digestFile(d *recap.Recap, pictures []recap.Picture) error {
	body, err := d.HTML(pictures, func(p recap.Picture) string {
		return "data:image/png;base64," + base64.StdEncoding.EncodeToString(p.PNG)
	})
	if err != nil {
		return err
	}
	_, err = io.WriteString(a.stdout, `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>`+html.EscapeString(d.Headline())+`</title></head>
<body style="margin:0;padding:24px;background:#ffffff;font:15px/1.5 -apple-system,'Segoe UI',Helvetica,Arial,sans-serif"><div style="max-width:640px;margin:0 auto">
`+body+`</div></body></html>
`)
	return err
}
