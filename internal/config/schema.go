package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail/internal/redact"
)

const (
	maxJobs = 256
	maxRate = 1000 // calls a second; far more than AWS allows
)

type form int

const (
	formScalar form = iota
	formList        // of scalars
	formTree        // with keys of its own
)

// A setting is one key of the file: how its value is read into a Config, and
// how it is shown again.
type setting struct {
	form form
	set  func(c *Config, key string, n node) []error
	show func(c *Config) []shown
}

// A shown is one line of what the config command prints.
type shown struct{ path, value string }

// keys are the settings in the order in which they are shown.
var keys = []string{
	"lake", "sources", "profile", "regions", "accounts", "assume_role", "details", "lookback", "lookup_events", "rates", "caps",
	"prices", "price_units", "zero_byte_dml", "teams", "directory", "catalog", "comments", "partition_columns", "shared_principals", "own_principals",
	"limits", "protect", "anomalies", "notify",
	"serve", "engine", "query_text", "retention", "timezone", "jobs",
}

// settings is filled by init, because its functions reach it again.
var settings map[string]setting

func init() {
	settings = map[string]setting{
		"lake": {
			set: func(c *Config, path string, n node) []error {
				return one(func(c *Config, text string) string {
					c.Lake = besideFile(n.place, text)
					return lakeName(text)
				})(c, path, n)
			},
			show: func(c *Config) []shown { return []shown{{"", c.Lake}} },
		},
		"profile": scalar(func(c *Config) *string { return &c.Profile }, matching(
			regexp.MustCompile(`^[^\x00-\x1f\]]{1,200}$`), "the name of a profile")),
		"assume_role": scalar(func(c *Config) *string { return &c.AssumeRole }, roleTemplate),
		"details":     scalar(func(c *Config) *string { return &c.Details }, oneOf(DetailsAPI, DetailsSystemTable, DetailsNone)),
		"price_units": scalar(func(c *Config) *string { return &c.PriceUnits }, oneOf(UnitsBinary, UnitsDecimal)),
		"zero_byte_dml": scalar(func(c *Config) *string { return &c.ZeroByteDML },
			oneOf(ZeroByteMinimum, ZeroByteFree)),
		"query_text": scalar(func(c *Config) *string { return &c.QueryText },
			oneOf(string(redact.Full), string(redact.LiteralsMasked), string(redact.FingerprintOnly))),

		"sources": {
			form: formList,
			set: func(c *Config, path string, n node) []error {
				values, wrong := texts(path, n, someText)
				for i := range values {
					values[i] = besideFile(n.place, values[i])
				}
				c.Sources = values
				c.origins[path] = n.place.origin()
				return wrong
			},
			show: func(c *Config) []shown { return []shown{{"", strings.Join(c.Sources, ", ")}} },
		},
		"regions":           list(func(c *Config) *[]string { return &c.Regions }, regionOrAll),
		"shared_principals": list(func(c *Config) *[]string { return &c.SharedPrincipals }, someText),
		"own_principals":    list(func(c *Config) *[]string { return &c.OwnPrincipals }, arnPattern),
		"protect":           list(func(c *Config) *[]string { return &c.Protect }, someText),

		"lookback": {
			set: one(func(c *Config, text string) (want string) {
				d, ok := parseDuration(text)
				if !ok || d > 90*24*time.Hour {
					return durationForms + ", at most 90d"
				}
				c.Lookback = d
				return ""
			}),
			show: func(c *Config) []shown { return []shown{{"lookback", formatDuration(c.Lookback)}} },
		},
		"timezone": {
			set: one(func(c *Config, text string) (want string) {
				loc, err := time.LoadLocation(text)
				if err != nil || text == "" {
					return "a time zone such as UTC or Europe/Paris"
				}
				c.Timezone = loc
				return ""
			}),
			show: func(c *Config) []shown { return []shown{{"timezone", c.Timezone.String()}} },
		},
		"jobs": {
			set: one(func(c *Config, text string) (want string) {
				n, err := strconv.Atoi(text)
				if err != nil || n < 1 || n > maxJobs {
					return fmt.Sprintf("a whole number from 1 to %d", maxJobs)
				}
				c.Jobs = n
				return ""
			}),
			show: func(c *Config) []shown { return []shown{{"jobs", strconv.Itoa(c.Jobs)}} },
		},

		"lookup_events": {form: formTree, set: setLookupEvents, show: showLookupEvents},

		"rates":     {form: formTree, set: setRates, show: showRates},
		"caps":      {form: formTree, set: setCaps, show: showCaps},
		"retention": {form: formTree, set: setRetention, show: showRetention},
		"accounts":  {form: formTree, set: setAccounts, show: showAccounts},
		"prices":    {form: formTree, set: setPrices, show: showPrices},
		"teams":     {form: formTree, set: setTeams, show: showTeams},
		"directory": {form: formTree, set: setDirectory, show: showDirectory},
		"catalog":   {form: formTree, set: setCatalog, show: showCatalog},
		"serve":     {form: formTree, set: setServe, show: showServe},
		"engine":    {form: formTree, set: setEngine, show: showEngine},
		"comments":  {form: formTree, set: setComments, show: showComments},
		"limits":    {form: formTree, set: setLimits, show: showLimits},
		"notify":    {form: formTree, set: setNotify, show: showNotify},
		"anomalies": {form: formTree, set: setAnomalies, show: showAnomalies},

		"partition_columns": {form: formTree, set: setPartitionColumns, show: showPartitionColumns},
	}
}

// A check returns what is wanted instead of text, or "" when text is right.
type check func(text string) (want string)

// one reads a scalar; set returns what is wanted instead, or "".
func one(set func(c *Config, text string) (want string)) func(*Config, string, node) []error {
	return func(c *Config, path string, n node) []error {
		if n.kind != kindScalar {
			return []error{n.place.errorf("%s: want one value", path)}
		}
		if want := set(c, n.text); want != "" {
			return []error{n.wrong(path, want)}
		}
		c.origins[path] = n.place.origin()
		return nil
	}
}

func scalar(field func(*Config) *string, is check) setting {
	return setting{
		set: one(func(c *Config, text string) string {
			if want := is(text); want != "" {
				return want
			}
			*field(c) = text
			return ""
		}),
		show: func(c *Config) []shown { return []shown{{"", *field(c)}} },
	}
}

// texts reads a list of scalars, or one scalar that stands for a list of one.
func texts(path string, n node, is check) (values []string, wrong []error) {
	items := n.items
	switch n.kind {
	case kindScalar:
		items = []node{n}
	case kindMapping:
		return nil, []error{n.place.errorf("%s: want a list", path)}
	}
	for _, item := range items {
		if item.kind != kindScalar {
			wrong = append(wrong, item.place.errorf("%s: want a list of single values", path))
		} else if want := is(item.text); want != "" {
			wrong = append(wrong, item.wrong(path, want))
		} else {
			values = append(values, item.text)
		}
	}
	return values, wrong
}

func list(field func(*Config) *[]string, is check) setting {
	return setting{
		form: formList,
		set: func(c *Config, path string, n node) []error {
			values, wrong := texts(path, n, is)
			*field(c) = values
			c.origins[path] = n.place.origin()
			return wrong
		},
		show: func(c *Config) []shown { return []shown{{"", strings.Join(*field(c), ", ")}} },
	}
}

// eachField hands the keys of a mapping to those who take them, and refuses
// the others.
func eachField(c *Config, path string, n node, take map[string]func(*Config, string, node) []error) (wrong []error) {
	if n.kind != kindMapping {
		return []error{n.place.errorf("%s: want keys with values", path)}
	}
	names := sortedKeys(take)
	for _, f := range n.fields {
		set, ok := take[f.key]
		switch {
		case !ok:
			wrong = append(wrong, f.place.errorf("%s: %s", path, unknownKey(f.key, names)))
		case f.value.kind == kindNull:
		default:
			wrong = append(wrong, set(c, path+"."+f.key, f.value)...)
		}
	}
	return wrong
}

// eachItem hands the items of a list to take, with their paths.
func eachItem(path string, n node, take func(path string, item node) []error) (wrong []error) {
	if n.kind != kindList {
		return []error{n.place.errorf("%s: want a list", path)}
	}
	for i, item := range n.items {
		wrong = append(wrong, take(fmt.Sprintf("%s[%d]", path, i), item)...)
	}
	return wrong
}

func sortedKeys[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for k := range m {
		names = append(names, k)
	}
	slices.Sort(names)
	return names
}

// rateKeys are the operations whose rate may be set.
var rateKeys = []struct {
	key   string
	field func(*Rates) *float64
}{
	{"batch_get_query_execution", func(r *Rates) *float64 { return &r.BatchGetQueryExecution }},
	{"get_session", func(r *Rates) *float64 { return &r.GetSession }},
	{"get_calculation_execution", func(r *Rates) *float64 { return &r.GetCalculationExecution }},
	{"list_tags_for_resource", func(r *Rates) *float64 { return &r.ListTagsForResource }},
	{"get_work_group", func(r *Rates) *float64 { return &r.GetWorkGroup }},
	{"lookup_events", func(r *Rates) *float64 { return &r.LookupEvents }},
}

func setRates(c *Config, path string, n node) []error {
	fields := map[string]func(*Config, string, node) []error{}
	for _, k := range rateKeys {
		fields[k.key] = one(func(c *Config, text string) string {
			rate, err := strconv.ParseFloat(text, 64)
			if err != nil || !(rate > 0 && rate <= maxRate) {
				return fmt.Sprintf("calls a second, more than 0 and at most %d", maxRate)
			}
			*k.field(&c.Rates) = rate
			return ""
		})
	}
	return eachField(c, path, n, fields)
}

func showRates(c *Config) (lines []shown) {
	for _, k := range rateKeys {
		lines = append(lines, shown{"rates." + k.key, strconv.FormatFloat(*k.field(&c.Rates), 'g', -1, 64)})
	}
	return lines
}

func setCaps(c *Config, path string, n node) []error {
	size := func(field func(*Config) *int64) func(*Config, string, node) []error {
		return one(func(c *Config, text string) string {
			bytes, ok := parseSize(text)
			if !ok || bytes < 1000 {
				return sizeForms + ", at least 1 KB"
			}
			*field(c) = bytes
			return ""
		})
	}
	return eachField(c, path, n, map[string]func(*Config, string, node) []error{
		"record_bytes":        size(func(c *Config) *int64 { return &c.Caps.RecordBytes }),
		"file_inflated_bytes": size(func(c *Config) *int64 { return &c.Caps.FileInflatedBytes }),
	})
}

func showCaps(c *Config) []shown {
	return []shown{
		{"caps.record_bytes", formatSize(c.Caps.RecordBytes)},
		{"caps.file_inflated_bytes", formatSize(c.Caps.FileInflatedBytes)},
	}
}

// retained are the tables whose retention can be set, and the SQL.
var retained = []string{"query_executions", "activity", "sessions", "calculations", "usage_rollup", "table_rollup", "query_texts"}

func setRetention(c *Config, path string, n node) []error {
	fields := map[string]func(*Config, string, node) []error{}
	for _, name := range retained {
		fields[name] = one(func(c *Config, text string) string {
			d, ok := parseDuration(text)
			if !ok || d < 24*time.Hour || d%(24*time.Hour) != 0 || d > maxRetention {
				return "whole days such as 400d, at most 36500d"
			}
			if c.Retention == nil {
				c.Retention = map[string]int{}
			}
			c.Retention[name] = int(d / (24 * time.Hour))
			return ""
		})
	}
	return eachField(c, path, n, fields)
}

const maxRetention = 36500 * 24 * time.Hour

func showRetention(c *Config) (lines []shown) {
	for _, name := range retained {
		if days, ok := c.Retention[name]; ok {
			lines = append(lines, shown{"retention." + name, strconv.Itoa(days) + "d"})
		}
	}
	return lines
}

func setAccounts(c *Config, path string, n node) []error {
	c.Accounts = nil
	seen := map[string]bool{}
	return eachItem(path, n, func(path string, item node) []error {
		var a Account
		text := func(field *string, is check) func(*Config, string, node) []error {
			return one(func(_ *Config, text string) string {
				*field = text
				return is(text)
			})
		}
		wrong := eachField(c, path, item, map[string]func(*Config, string, node) []error{
			"id":          text(&a.ID, accountID),
			"name":        text(&a.Name, someText),
			"ou":          text(&a.OU, ouPath),
			"role":        text(&a.Role, roleARN),
			"external_id": setExternalID(&a.ExternalID),
			"details":     text(&a.Details, oneOf(DetailsAPI, DetailsSystemTable, DetailsNone)),
			"regions": func(c *Config, path string, n node) (wrong []error) {
				a.Regions, wrong = texts(path, n, regionOrAll)
				c.origins[path] = n.place.origin()
				return wrong
			},
		})
		switch {
		case len(wrong) > 0:
		case a.ID == "":
			wrong = append(wrong, item.place.errorf("%s: no id: want the account's 12 digits", path))
		case seen[a.ID]:
			wrong = append(wrong, item.place.errorf("%s: account %s stands here twice", path, a.ID))
		case a.Role != "" && roleAccount(a.Role) != a.ID:
			wrong = append(wrong, item.place.errorf("%s.role %q: want a role of account %s", path, clip(a.Role), a.ID))
		case a.ExternalID != "" && a.Role == "":
			wrong = append(wrong, item.place.errorf("%s: external_id without role", path))
		}
		seen[a.ID] = true
		c.Accounts = append(c.Accounts, a)
		return wrong
	})
}

// setExternalID does not repeat the value in its error: it is a secret.
func setExternalID(field *string) func(*Config, string, node) []error {
	return func(c *Config, path string, n node) []error {
		if n.kind != kindScalar || !externalIDForm.MatchString(n.text) || len(n.text) < 2 || len(n.text) > 1224 {
			return []error{n.place.errorf("%s: want 2 to 1224 letters, digits and any of +=,.@:/-", path)}
		}
		*field = n.text
		c.origins[path] = n.place.origin()
		return nil
	}
}

func showAccounts(c *Config) (lines []shown) {
	for i, a := range c.Accounts {
		secret := ""
		if a.ExternalID != "" {
			secret = masked
		}
		lines = append(lines, given(fmt.Sprintf("accounts[%d].", i),
			"id", a.ID, "name", a.Name, "ou", a.OU, "role", a.Role, "external_id", secret,
			"regions", strings.Join(a.Regions, ", "), "details", a.Details)...)
	}
	return lines
}

func setPrices(c *Config, path string, n node) []error {
	c.Prices = nil
	type start struct{ region, from string }
	seen := map[start]bool{}
	return eachItem(path, n, func(path string, item node) []error {
		var p Price
		text := func(field *string, is check) func(*Config, string, node) []error {
			return one(func(_ *Config, text string) string {
				*field = text
				return is(text)
			})
		}
		wrong := eachField(c, path, item, map[string]func(*Config, string, node) []error{
			"region":                text(&p.Region, regionOrAny),
			"from":                  text(&p.From, day),
			"sql_per_tb":            text(&p.SQLPerTB, amount),
			"spark_per_dpu_hour":    text(&p.SparkPerDPUHour, amount),
			"capacity_per_dpu_hour": text(&p.CapacityPerDPUHour, amount),
			"currency":              text(&p.Currency, matching(currencyForm, "three capitals such as USD")),
		})
		switch {
		case len(wrong) > 0:
		case p.Region == "":
			wrong = append(wrong, item.place.errorf("%s: no region", path))
		case p.SQLPerTB == "" && p.SparkPerDPUHour == "" && p.CapacityPerDPUHour == "":
			wrong = append(wrong, item.place.errorf(
				"%s: no price: want sql_per_tb, spark_per_dpu_hour or capacity_per_dpu_hour", path))
		case seen[start{p.Region, p.From}]:
			wrong = append(wrong, item.place.errorf("%s: %s has two prices from the same day on", path, p.Region))
		}
		seen[start{p.Region, p.From}] = true
		c.Prices = append(c.Prices, p)
		return wrong
	})
}

func showPrices(c *Config) (lines []shown) {
	for i, p := range c.Prices {
		lines = append(lines, given(fmt.Sprintf("prices[%d].", i),
			"region", p.Region, "from", p.From, "sql_per_tb", p.SQLPerTB,
			"spark_per_dpu_hour", p.SparkPerDPUHour,
			"capacity_per_dpu_hour", p.CapacityPerDPUHour, "currency", p.Currency)...)
	}
	return lines
}
