package demo

import (
	"slices"
	"strings"
	"time"
)

// An office gives the hours in which its people work.
type office int

const (
	berlin office = iota
	boston
)

// offset is how far local time is from UTC. Europe leaves summer time on
// 2026-10-25, the United States on 2026-11-01.
func (o office) offset(day time.Time) time.Duration {
	if o == berlin {
		if day.Before(time.Date(2026, 10, 25, 0, 0, 0, 0, time.UTC)) {
			return 2 * time.Hour
		}
		return time.Hour
	}
	if day.Before(lastDay) {
		return -4 * time.Hour
	}
	return -5 * time.Hour
}

// hours holds how much of a working day happens in each local hour.
var hours = [24]float64{7: 0.2, 8: 1, 9: 2, 10: 2.4, 11: 2.2, 12: 1, 13: 1.6, 14: 2.2, 15: 2, 16: 1.6, 17: 1, 18: 0.4, 20: 0.2, 21: 0.1}

// moments returns n moments of a day at an office, in order.
func (b *builder) moments(o office, day time.Time, n int) []time.Time {
	var sum float64
	for _, h := range hours {
		sum += h
	}
	out := make([]time.Time, n)
	for i := range out {
		x, hour := b.r.Float64()*sum, 0
		for x >= hours[hour] {
			x -= hours[hour]
			hour++
		}
		at := time.Duration(hour)*time.Hour + time.Duration(b.r.Int64N(int64(time.Hour)))
		out[i] = day.Add(at - o.offset(day))
	}
	slices.SortFunc(out, time.Time.Compare)
	return out
}

// spread returns n moments of a day, evenly with some noise, from an hour on.
func (b *builder) spread(day time.Time, from time.Duration, n int) []time.Time {
	out := make([]time.Time, n)
	step := (24*time.Hour - from) / time.Duration(max(1, n))
	for i := range out {
		out[i] = day.Add(from + step*time.Duration(i) + time.Duration(b.r.Int64N(int64(min(step, 20*time.Second)))))
	}
	return out
}

func weekend(day time.Time) bool {
	return day.Weekday() == time.Saturday || day.Weekday() == time.Sunday
}

// An actor is somebody or something that starts queries on many days.
type actor struct {
	name          string
	weekday, rest float64 // starts on a working day, and on another
	change        func(day time.Time) float64
	night         bool // works in the first hours of Now's day too
	run           func(b *builder, day time.Time, n int)
}

func (a actor) mean(day time.Time) float64 {
	m := a.weekday
	if weekend(day) {
		m = a.rest
	}
	if a.change != nil {
		m *= a.change(day)
	}
	return m
}

// actors returns everybody who works with Athena day by day.
func actors() []actor {
	var all []actor
	for _, p := range people {
		a := actor{name: p.name, weekday: p.perDay, rest: p.perDay * 0.06, run: p.work}
		switch {
		case p.name == "hugo": // leaves halfway
			a.change = func(day time.Time) float64 { return share(day.Before(halfway), 1, 0) }
		case p.team == "web-analytics": // doubles in the last week
			a.change = func(day time.Time) float64 { return share(day.Before(lastWeek), 1, 2.2) }
		}
		all = append(all, a)
	}
	return append(all,
		actor{name: "tomas", weekday: 5, rest: 0.3, run: tomas},
		actor{name: "wanda", weekday: 4, rest: 0.2, run: wanda},
		actor{name: "felix", weekday: 4, rest: 0.5, run: felix},
		actor{name: "olga by roles", weekday: 4, rest: 0, run: chained},
		actor{name: "uma", weekday: 2, rest: 0, run: uma},
		actor{name: "acme", weekday: 1.5, rest: 0, run: acme},
		actor{name: "milo's agent", weekday: 4, rest: 0.3, run: mcp},
		actor{name: "redash", weekday: 42, rest: 12, run: redash},
		actor{name: "metabase", weekday: 46, rest: 10, run: metabase},
		actor{name: "looker", weekday: 38, rest: 8, run: looker},
		actor{name: "quicksight", weekday: 30, rest: 24, run: quicksight},
		actor{name: "dbt", weekday: 84, rest: 84, night: true, run: dbt},
		actor{name: "airflow", weekday: 48, rest: 48, night: true, run: airflow},
		actor{name: "glue", weekday: 24, rest: 24, night: true, run: glueJob},
		actor{name: "lambda", weekday: 24, rest: 24, night: true, run: freshness},
		actor{name: "step functions", weekday: 14, rest: 6, night: true, run: dailyClose},
		actor{name: "reserved", weekday: 8, rest: 1, run: reserved},
	)
}

func share(is bool, yes, no float64) float64 {
	if is {
		return yes
	}
	return no
}

// Generate invents the company.
func Generate(o Options) *Company {
	if o.Events <= 0 {
		o.Events = DefaultEvents
	}
	c := &Company{Now: present, seed: o.Seed}
	all := actors()
	var base float64
	for day := firstDay; !day.After(lastDay); day = day.AddDate(0, 0, 1) {
		for _, a := range all {
			base += a.mean(day)
		}
	}
	factor := float64(o.Events) / base
	today := lastDay.AddDate(0, 0, 1)
	for _, a := range all {
		b := &builder{c: c, r: newRandom(o.Seed, a.name)}
		for day := firstDay; !day.After(lastDay); day = day.AddDate(0, 0, 1) {
			if n := b.r.poisson(a.mean(day) * factor); n > 0 {
				a.run(b, day, n)
			}
		}
		if a.night {
			// A whole day is made and what lies behind the horizon is left out.
			a.run(b, today, max(1, b.r.poisson(a.mean(today)*factor)))
		}
	}
	c.notebooks()
	c.cases()
	c.disorder()
	// Behind disorder, so that what they add leaves the rest as it was.
	c.sparkCases()
	c.queryCases()
	if c.factor = factor; o.Anomalies {
		c.addAnomalies()
	}
	c.sparkAnswers()
	c.noise(factor)
	c.finish()
	return c
}

// finish orders everything and builds what Lookup and List answer from.
func (c *Company) finish() {
	slices.SortFunc(c.runs, func(x, y run) int {
		if n := x.truth.at.Compare(y.truth.at); n != 0 {
			return n
		}
		return strings.Compare(x.truth.EventID, y.truth.EventID)
	})
	c.index = make(map[runKey]int, len(c.runs))
	c.lists = map[groupKey][]string{}
	for i := len(c.runs) - 1; i >= 0; i-- {
		x := &c.runs[i]
		if x.truth.QueryExecutionID == "" || !x.known {
			continue
		}
		t := x.truth
		c.index[runKey{t.AccountID, t.Region, t.QueryExecutionID}] = i
		k := groupKey{t.AccountID, t.Region, x.answer.WorkGroup}
		c.lists[k] = append(c.lists[k], t.QueryExecutionID)
	}
	c.finishSpark()
}
