package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A span is a time from From on and before To.
type span struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// A request is what an execution is asked for.
type request struct {
	spans     []span // in order, apart from each other
	scheduled bool   // nothing was asked for: yesterday, and what was missed before
	hours     bool   // single hours, not days
}

// accepted is said of an input that is none of these.
const accepted = `want {} for yesterday, {"day":"2026-11-20"}, {"from":"2026-11-18","to":"2026-11-21"} without the day of to, ` +
	`{"start_date":"2026-11-18","end_date":"2026-11-20"} with it, {"report_date":"2026-11-20"} or {"report_date":"2026-11-20","hour":7}`

// mostDays bounds a range: ten years.
const mostDays = 3660

// A form is every key that an input may have. Those of one way to ask go with
// none of another.
type form struct {
	Day, From, To, Start, End, Report *string
	Hour                              *int
	Hours                             []reportHour
}

// A reportHour is how the tracker's state machine named one hour.
type reportHour struct {
	Report json.RawMessage `json:"report_date"`
	Hour   json.RawMessage `json:"hour"`
}

// parseRequest reads what an execution is asked for. Days are those of the
// zone. Now is when it is asked.
func parseRequest(input json.RawMessage, now time.Time, zone *time.Location) (request, error) {
	f, scheduled, err := parseForm(input)
	if err != nil {
		return request{}, fmt.Errorf("input %s: %w", clip(string(input)), err)
	}
	if scheduled {
		today := startOfDay(now.In(zone))
		return request{spans: []span{{dayBefore(today), today}}, scheduled: true}, nil
	}
	r, err := f.request(zone)
	if err == nil {
		err = r.settle(now, zone)
	}
	if err != nil {
		return request{}, fmt.Errorf("input %s: %w", clip(string(input)), err)
	}
	return r, nil
}

// parseForm reads the keys of an input. It reports whether there are none, or
// those of an event by which AWS's own schedulers invoke functions.
func parseForm(input json.RawMessage) (f form, scheduled bool, err error) {
	trimmed := bytes.TrimSpace(input)
	if len(trimmed) == 0 || bytes.Equal(trimmed, []byte("null")) {
		return f, true, nil
	}
	var keys map[string]json.RawMessage
	if json.Unmarshal(trimmed, &keys) != nil {
		return f, false, errors.New("not a JSON object: " + accepted)
	}
	var from string
	if json.Unmarshal(keys["source"], &from) == nil && (from == "aws.events" || from == "aws.scheduler") {
		return f, true, nil
	}
	texts := map[string]**string{"day": &f.Day, "from": &f.From, "to": &f.To, "start_date": &f.Start, "end_date": &f.End, "report_date": &f.Report}
	for key, value := range keys {
		to := texts[key]
		switch {
		case key == "hour":
			hour, err := parseHour(value)
			if err != nil {
				return f, false, err
			}
			f.Hour = &hour
		case key == "hours":
			if json.Unmarshal(value, &f.Hours) != nil || len(f.Hours) == 0 || len(f.Hours) > 24*31 {
				return f, false, errors.New(`"hours": want a list of {"report_date":"2026-11-20","hour":7}`)
			}
		case to == nil:
			return f, false, fmt.Errorf("unknown key %q: %s", clip(key), accepted)
		case json.Unmarshal(value, to) != nil || *to == nil || **to == "":
			return f, false, fmt.Errorf("%q: want a text such as \"2026-11-20\"", key)
		}
	}
	return f, len(keys) == 0, nil
}

func (f form) request(zone *time.Location) (request, error) {
	given := 0
	for _, is := range []bool{f.Day != nil, f.From != nil || f.To != nil, f.Start != nil || f.End != nil, f.Report != nil || f.Hour != nil, f.Hours != nil} {
		if is {
			given++
		}
	}
	if given != 1 {
		return request{}, errors.New(accepted)
	}
	one := func(s span, err error) (request, error) { return request{spans: []span{s}}, err }
	switch {
	case f.Day != nil:
		return one(parseDay(*f.Day, zone))
	case f.From != nil && f.To != nil:
		from, err := parseTime("from", *f.From, zone)
		if err != nil {
			return request{}, err
		}
		to, err := parseTime("to", *f.To, zone)
		return one(span{from, to}, err)
	case f.Start != nil && f.End != nil:
		return one(parseDates(*f.Start, *f.End, zone))
	case f.Report != nil && f.Hour != nil:
		s, err := hourOf(*f.Report, *f.Hour, zone)
		return request{spans: []span{s}, hours: true}, err
	case f.Report != nil:
		return one(parseDay(*f.Report, zone))
	case f.Hours != nil:
		r := request{hours: true}
		for _, h := range f.Hours {
			var day string
			if json.Unmarshal(h.Report, &day) != nil {
				return r, errors.New(`"hours": want a list of {"report_date":"2026-11-20","hour":7}`)
			}
			hour, err := parseHour(h.Hour)
			if err != nil {
				return r, err
			}
			s, err := hourOf(day, hour, zone)
			if err != nil {
				return r, err
			}
			r.spans = append(r.spans, s)
		}
		return r, nil
	}
	return request{}, errors.New("one of two keys is missing: " + accepted)
}

// parseDates is a range of days with its last.
func parseDates(start, end string, zone *time.Location) (span, error) {
	first, err := parseDay(start, zone)
	if err != nil {
		return span{}, err
	}
	last, err := parseDay(end, zone)
	if err != nil {
		return span{}, err
	}
	if last.From.Before(first.From) {
		return span{}, fmt.Errorf("the range is turned round: %s is after %s", start, end)
	}
	return span{first.From, last.To}, nil
}

const (
	// delivery is how long after a call its record is in a log file, nearly
	// always (as the ledger reckons).
	delivery = 15 * time.Minute

	// settling is how long after the minute in its name a log file is in the
	// bucket for certain. A listing up to now would miss some that a later one
	// finds, and takes for left out.
	settling = 10 * time.Minute
)

// settle puts the spans in order, joins those that touch, cuts off what has
// not been yet, and refuses what never was.
func (r *request) settle(now time.Time, zone *time.Location) error {
	slices.SortFunc(r.spans, func(a, b span) int { return a.From.Compare(b.From) })
	begun := now.Add(-delivery - settling).Truncate(time.Hour)
	var joined []span
	for _, s := range r.spans {
		if !s.From.Before(s.To) {
			return fmt.Errorf("the range is turned round, or empty: %s is not before %s", shown(s.From, zone), shown(s.To, zone))
		}
		if s.To.Sub(s.From) > mostDays*24*time.Hour {
			return fmt.Errorf("a range of %d days: want at most %d", s.To.Sub(s.From)/(24*time.Hour), mostDays)
		}
		if !s.From.Before(begun) {
			return fmt.Errorf("%s is in the future, or its first hour is not over and delivered: it is %s", shown(s.From, zone), now.In(zone).Format(time.RFC3339))
		}
		if s.To.After(begun) {
			s.To = begun
		}
		if n := len(joined); n > 0 && !joined[n-1].To.Before(s.From) {
			if joined[n-1].To.Before(s.To) {
				joined[n-1].To = s.To
			}
			continue
		}
		joined = append(joined, s)
	}
	r.spans = joined
	return nil
}

func shown(t time.Time, zone *time.Location) string { return t.In(zone).Format("2006-01-02 15:04") }

var (
	dayForm  = regexp.MustCompile(`^([0-9]{4})[-/]([0-9]{2})[-/]([0-9]{2})$`)
	hourForm = regexp.MustCompile(`^[0-9]{1,2}$`)
)

// parseDay reads YYYY-MM-DD, or YYYY/MM/DD, as a day of the zone: of 23 to 25
// hours.
func parseDay(text string, zone *time.Location) (span, error) {
	wrong := fmt.Errorf("day %q: want YYYY-MM-DD or YYYY/MM/DD", clip(text))
	m := dayForm.FindStringSubmatch(text)
	if m == nil || strings.Contains(text, "-") && strings.Contains(text, "/") {
		return span{}, wrong
	}
	day, err := time.Parse(time.DateOnly, m[1]+"-"+m[2]+"-"+m[3])
	if err != nil || day.Year() < 2006 { // AWS was not yet
		return span{}, wrong
	}
	from := time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, zone)
	return span{from, time.Date(day.Year(), day.Month(), day.Day()+1, 0, 0, 0, 0, zone)}, nil
}

// parseTime reads a day, which is its beginning, or a whole hour in RFC 3339.
func parseTime(key, text string, zone *time.Location) (time.Time, error) {
	if day, err := parseDay(text, zone); err == nil {
		return day.From, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || !t.Equal(t.Truncate(time.Hour)) || t.Year() < 2006 {
		return t, fmt.Errorf("%q: %q: want a day, or a whole hour such as 2026-11-20T07:00:00Z", key, clip(text))
	}
	return t.In(zone), nil
}

// parseHour reads an hour of a day as a number or a text: 7, "7" or "07".
func parseHour(value json.RawMessage) (int, error) {
	text := strings.Trim(string(value), `"`)
	hour, err := strconv.Atoi(text)
	if err != nil || !hourForm.MatchString(text) || hour > 23 {
		return 0, fmt.Errorf(`"hour": %s: want a whole number from 0 to 23`, clip(string(value)))
	}
	return hour, nil
}

// hourOf returns an hour of a day by the clock of the zone. Where clocks are
// put back it is two hours, and where they are put forward it is none.
func hourOf(day string, hour int, zone *time.Location) (s span, err error) {
	whole, err := parseDay(day, zone)
	if err != nil {
		return s, err
	}
	const step = 15 * time.Minute // zones differ from UTC by multiples of it
	for t := whole.From; t.Before(whole.To); t = t.Add(step) {
		if t.Hour() != hour {
			continue
		}
		if s.From.IsZero() {
			s.From = t
		}
		s.To = t.Add(step)
	}
	if s.From.IsZero() {
		return s, fmt.Errorf("%s has no hour %d in %s, where clocks are put forward", day, hour, zone)
	}
	return s, nil
}

func startOfDay(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
}

func dayBefore(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day()-1, 0, 0, 0, 0, t.Location())
}
