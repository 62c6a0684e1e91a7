package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/config"
	"github.com/athenatrail/athenatrail/internal/health"
	"github.com/athenatrail/athenatrail/internal/meter"
	"github.com/athenatrail/athenatrail/internal/report"
	"github.com/athenatrail/athenatrail/internal/setup"
	"github.com/athenatrail/athenatrail/internal/web"
)

type reportOptions struct {
	from, to string
	by       []string
	where    []string
	limit    int
	sort     string
	probes   bool
	own      bool
	wide     bool
}

func (a *app) reportCommand() *cobra.Command {
	var o reportOptions
	c := &cobra.Command{
		Use:   "report VIEW [ARG]",
		Short: "Answer one of the program's own questions about the lake",
		Long: `Answer one of the program's own questions about the lake, by default over the 7
days before the moment up to which it is complete. --from is included, --to is
not. A view about one thing takes its name as ARG. The views:

` + viewList(),
		Example: `  athenatrail report overview --from 30d
  athenatrail report usage --by team,day --where account_id=111122223333 --output csv
  athenatrail report queries --where person=rosa@example.com --limit 20
  athenatrail report notebook-activity churn-model --from 30d
  athenatrail report overview --from 30d --output html > overview.html`,
		Args: cobra.RangeArgs(1, 2),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var names []string
			for _, v := range report.Views() {
				names = append(names, v.Name+"\t"+v.Summary)
			}
			names = append(names, anomaliesView+"\t"+anomaliesSummary)
			for _, v := range health.Views {
				names = append(names, v.Name+"\t"+v.Summary)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.report(cmd.Context(), args[0], strings.Join(args[1:], ""), o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.from, "from", "", "from this time on: 2026-11-01, an RFC 3339 time, 7d, yesterday (default: 7 days before --to)")
	f.StringVar(&o.to, "to", "", "before this time (default: the moment up to which the lake is complete)")
	f.StringSliceVar(&o.by, "by", nil, "what to group by, for usage and changes: "+strings.Join(groupings(), ", "))
	f.StringArrayVar(&o.where, "where", nil, "keep the rows with column=value or column!=value; * stands for any text; repeatable")
	f.IntVar(&o.limit, "limit", 0, "at most so many rows, 0 for all (default: what fits the view)")
	f.StringVar(&o.sort, "sort", "", "sort by this column, or by -COLUMN from the greatest down (default: the view's own order)")
	f.BoolVar(&o.probes, "probes", false, "count probes such as SELECT 1 in rankings")
	f.BoolVar(&o.own, "own", false, "count athenatrail's own queries in rankings")
	a.engineFlag(f)
	f.BoolVar(&o.wide, "wide", false, "show every column in a table")
	return c
}

func viewList() string {
	var b strings.Builder
	for _, v := range report.Views() {
		fmt.Fprintf(&b, "  %-26s %s\n", strings.TrimSpace(v.Name+" "+v.Argument), v.Summary)
	}
	fmt.Fprintf(&b, "  %-26s %s\n", anomaliesView, anomaliesSummary)
	for _, v := range health.Views {
		fmt.Fprintf(&b, "  %-26s %s\n", v.Name, v.Summary)
	}
	return strings.TrimRight(b.String(), "\n")
}

func groupings() []string {
	v, err := report.Lookup("usage")
	if err != nil {
		return nil
	}
	return v.By
}

func (a *app) report(ctx context.Context, name, arg string, o reportOptions) error {
	a.wide = o.wide
	inGo := health.Is(name) || name == anomaliesView
	switch {
	case !inGo:
		view, err := report.Lookup(name)
		if err != nil {
			return asUsage(hint(err, "report health, deliveries and anomalies are others; see athenatrail report --help"))
		}
		if !a.flags.Changed("limit") {
			o.limit = view.Limit
		}
	case arg != "":
		return usage("report %s takes no %q", name, arg)
	case name == anomaliesView && !a.flags.Changed("limit"):
		o.limit = meter.AnomaliesLimit
	}
	params := report.Params{Arg: arg, By: o.by, Limit: o.limit, Probes: o.probes, Own: o.own}
	if inGo && (a.output == outputHTML || o.sort != "") {
		return usage("report %s has its own order, and is no page of its own: athenatrail serve shows it", name)
	}
	if o.limit < 0 {
		return usage("--limit %d: want 0 for all, or more", o.limit)
	}
	for _, text := range o.where {
		cond, err := report.ParseCondition(text)
		if err != nil {
			return usage("--where: %w", err)
		}
		params.Where = append(params.Where, cond)
	}
	if inGo && (len(params.Where) > 0 || len(params.By) > 0) {
		return usage("report %s takes no --where and no --by", name)
	}
	open := a.withAnyEngine
	if inGo { // Go tells it, whatever the engine
		open = a.withReports
	}
	return open(ctx, func(e *setup.Env, r *readLake) (err error) {
		if params.From, params.To, err = r.window(e, o.from, o.to, time.Now()); err != nil {
			return err
		}
		params.CompleteTo = r.completeTo
		for _, p := range e.PartitionColumns {
			params.PartitionColumns = append(params.PartitionColumns, report.PartitionColumn(p))
		}
		if params.Prices, err = reportPrices(e); err != nil {
			return err
		}
		if health.Is(name) {
			return a.health(ctx, e, r, name)
		}
		if name == anomaliesView {
			return a.anomalies(ctx, e, r, params)
		}
		if params.CompleteFrom, err = a.checkSettings(ctx, e, r, params.From, params.To); err != nil {
			return err
		}
		order := report.ParseOrder(o.sort)
		if a.output == outputHTML && r.dir == "" {
			return usage("--output html is a page of the dashboard, which reads with --engine duckdb alone")
		}
		if a.output == outputHTML {
			return a.reportFile(ctx, e, name, params, order)
		}
		result, err := r.db.Sorted(ctx, name, params, order)
		if err != nil {
			return err
		}
		return a.write(result)
	})
}

// outputHTML is a format of report alone: one file that needs no server.
const outputHTML = "html"

// reportFile writes a view as a page of the dashboard.
func (a *app) reportFile(ctx context.Context, e *setup.Env, name string, params report.Params, order report.Order) error {
	o, err := a.dashboardOptions(ctx, e)
	if err != nil {
		return err
	}
	page, err := web.New(o)
	if err != nil {
		return err
	}
	defer page.Close()
	return page.WriteFile(ctx, a.stdout, name, params, order)
}

// reportPrices returns what rules compare by: the configuration's prices of a
// region, then those of every region, then AWS's.
func reportPrices(e *setup.Env) ([]report.Price, error) {
	settings, err := e.Settings()
	if err != nil {
		return nil, err
	}
	text := func(amount *athenatrail.Money) string {
		if amount == nil {
			return ""
		}
		return amount.String()
	}
	var list []report.Price
	for _, p := range settings.Prices.Prices() {
		x := report.Price{Region: p.Region, From: p.From.String(), Rank: 2, PerDPUHour: text(p.CapacityPerDPUHour), PerTB: text(p.SQLPerTB), Currency: p.Currency,
			Megabyte: 1 << 20, MegabytesPerTB: 1 << 20}
		if e.PriceUnits == config.UnitsDecimal {
			x.Megabyte, x.MegabytesPerTB = 1e6, 1e6
		}
		switch {
		case p.Custom && p.Region == "*":
			x.Rank = 1
		case p.Custom:
			x.Rank = 0
		}
		list = append(list, x)
	}
	return list, nil
}
