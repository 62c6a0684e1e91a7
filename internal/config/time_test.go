package config

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseTime(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 21, 23, 30, 0, 0, time.UTC) // the 22nd in Paris
	for _, tt := range []struct {
		text string
		loc  *time.Location
		want string
	}{
		{"now", time.UTC, "2026-11-21T23:30:00Z"},
		{"today", time.UTC, "2026-11-21T00:00:00Z"},
		{"yesterday", time.UTC, "2026-11-20T00:00:00Z"},
		{"Today", paris, "2026-11-21T23:00:00Z"},
		{"yesterday", paris, "2026-11-20T23:00:00Z"},
		{"7d", time.UTC, "2026-11-14T23:30:00Z"},
		{"-7d", paris, "2026-11-14T23:30:00Z"},
		{"12h", time.UTC, "2026-11-21T11:30:00Z"},
		{"1d12h", time.UTC, "2026-11-20T11:30:00Z"},
		{"2w", time.UTC, "2026-11-07T23:30:00Z"},
		{"2026-11-03", time.UTC, "2026-11-03T00:00:00Z"},
		{"2026/11/03", time.UTC, "2026-11-03T00:00:00Z"},
		{"2026-11-03", paris, "2026-11-02T23:00:00Z"},
		{"2026-07-03", paris, "2026-07-02T22:00:00Z"},
		{"2026-11-03T14:00", paris, "2026-11-03T13:00:00Z"},
		{"2026-11-03 14:00:05", time.UTC, "2026-11-03T14:00:05Z"},
		{"2026-11-03T14:00:00Z", paris, "2026-11-03T14:00:00Z"},
		{"2026-11-03T14:00:00.5+02:00", paris, "2026-11-03T12:00:00.5Z"},
		{" 2026-11-03 ", time.UTC, "2026-11-03T00:00:00Z"},
	} {
		got, err := ParseTime(tt.text, now, tt.loc)
		if err != nil || got.Format(time.RFC3339Nano) != tt.want {
			t.Errorf("%q in %v: %v, %v, want %s", tt.text, tt.loc, got, err, tt.want)
		}
	}
	for _, text := range []string{"", "tomorrow", "2026-02-30", "03/11/2026", "7", "d", "7dd", "d7", "--7d", "1e9h", "99999w", "1999-01-01", "2300-01-01", "1d-2h"} {
		if got, err := ParseTime(text, now, time.UTC); err == nil {
			t.Errorf("%q: %v, want an error", text, got)
		} else if !strings.HasPrefix(err.Error(), "time ") || !strings.Contains(err.Error(), ": want ") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestDurationsAndSizesSurviveFormatting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, 90*24*3600).Draw(t, "seconds")) * time.Second
		if got, ok := parseDuration(formatDuration(d)); !ok || got != d {
			t.Errorf("%v is written %q and read %v", d, formatDuration(d), got)
		}
		n := rapid.Int64Range(0, 1<<62).Draw(t, "bytes")
		if got, ok := parseSize(formatSize(n)); !ok || got != n {
			t.Errorf("%d is written %q and read %d", n, formatSize(n), got)
		}
	})
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"8 MB": 8_000_000, "8MB": 8_000_000, "8 MiB": 8 << 20, "1 GB": 1_000_000_000, "1 GiB": 1 << 30,
		"500": 500, "500 B": 500, "3 kB": 3000, "3 KB": 3000, "0": 0,
	} {
		if got, ok := parseSize(text); !ok || got != want {
			t.Errorf("%q: %d, %v, want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "MB", "-1", "1.5 GB", "8 mb", "8 M", "9223372036854775807 GB", "99999999999999999999"} {
		if got, ok := parseSize(text); ok {
			t.Errorf("%q: %d, want nothing", text, got)
		}
	}
}
