package anomaly

import (
	"fmt"
	"strings"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/limit"
)

// sentence says an anomaly with its numbers.
func (x *Search) sentence(a *Anomaly) string {
	money := func(m athenatrail.Money) string {
		return limit.Amount{Measure: limit.Cost, Unit: a.Subject.Currency}.Format(int64(m))
	}
	from, last := a.From.In(x.s.Zone), a.To.Add(-1).In(x.s.Zone)
	const weekday, date = "Monday 2 January", "2 January"
	var b strings.Builder
	if a.Scale == New {
		fmt.Fprintf(&b, "new: %s", a.Subject)
		if a.Subject.Kind == Person {
			b.WriteString(",")
		}
	} else {
		b.WriteString(a.Subject.String())
	}
	// What is read does not scan.
	verb := map[Kind]string{Table: " was read: ", Database: " was queried: "}[a.Subject.Kind]
	switch scanned := (limit.Amount{Measure: limit.ScannedBytes, Unit: "TiB"}).Format(a.Bytes); {
	case verb != "":
		fmt.Fprintf(&b, "%s%s", verb, scanned)
	case a.Bytes > 0:
		fmt.Fprintf(&b, " scanned %s", scanned)
	default:
		b.WriteString(" spent")
	}
	at := ""
	switch a.Scale {
	case Hours, New:
		at = "at that hour"
		if a.To.Sub(a.From).Hours() > 1 {
			at = "at those hours"
		}
		if from.Day() == last.Day() && from.Month() == last.Month() {
			fmt.Fprintf(&b, " on %s between %s and %s", from.Format(weekday), from.Format("15:04"), clock(a, x))
		} else {
			fmt.Fprintf(&b, " between %s, %s, and %s, %s", from.Format(weekday), from.Format("15:04"), a.To.In(x.s.Zone).Format(weekday), a.To.In(x.s.Zone).Format("15:04"))
		}
	case Day:
		at = "on a working day"
		if x.rest(x.dayOf(a.From)) {
			at = "on a day of rest"
		}
		fmt.Fprintf(&b, " on %s", from.Format(weekday))
	case Week:
		at = "in a week"
		fmt.Fprintf(&b, " in the 7 days from %s to %s", from.Format(date), last.Format(date))
		if len(a.Without) > 0 {
			fmt.Fprintf(&b, " without %s", listed(a.Without))
		}
	}
	fmt.Fprintf(&b, ", %s", money(a.Cost))
	back := ago(a.LookedBack)
	if a.Scale == New {
		fmt.Fprintf(&b, "; never seen in the %s before", back)
		if a.Others > 0 {
			fmt.Fprintf(&b, ", in which nine of ten days of other people cost at most %s", money(a.Others))
		}
		return b.String()
	}
	usual := "nothing"
	if a.Usual >= athenatrail.MoneyScale/200 {
		usual = money(a.Usual)
	}
	unit := map[Scale]string{Hours: "an hour", Day: "a day", Week: "a week"}[a.Scale]
	if a.Most == 0 {
		fmt.Fprintf(&b, "; nothing at all in the %s before", back)
		return b.String()
	}
	fmt.Fprintf(&b, "; usually %s %s, at most %s in %s of the %s before", usual, at, money(a.Most), unit, back)
	return b.String()
}

// listed names days.
func listed(days []athenatrail.Date) string {
	texts := make([]string, len(days))
	for i, d := range days {
		texts[i] = d.Time().Format("Monday 2")
	}
	if n := len(texts) - 1; n > 0 {
		return strings.Join(texts[:n], ", ") + " and " + texts[n]
	}
	return texts[0]
}

// clock is when an anomaly of one day ends; midnight is the day's 24:00.
func clock(a *Anomaly, x *Search) string {
	if text := a.To.In(x.s.Zone).Format("15:04"); text != "00:00" {
		return text
	}
	return "24:00"
}

// ago says how long something was looked back for.
func ago(days int) string {
	switch {
	case days >= week && days%week == 0 && days > week:
		return fmt.Sprintf("%d weeks", days/week)
	case days == 1:
		return "day"
	}
	return fmt.Sprintf("%d days", days)
}
