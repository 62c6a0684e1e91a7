package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/annotation"
	"github.com/athenatrail/athenatrail/internal/team"
)

// A Directory says where ids are looked up for people and accounts.
type Directory struct {
	File          string // CSV on disk of people; empty: none
	AccountsFile  string // CSV on disk of accounts; empty: none
	IdentityStore bool   // ask IAM Identity Center for the users that records name
	Accounts      bool   // ask Organizations for the accounts, with their organizational units
	WorkGroups    bool   // ask Athena for the settings of work groups

	// IdentityStoreRegion is where Identity Center is, which records do not
	// tell; empty: the region of a client that is not told one.
	IdentityStoreRegion string
}

// setTeams reads the rules, and has those that could be read checked together.
func setTeams(c *Config, path string, n node) []error {
	c.Teams = nil
	wrong := eachItem(path, n, func(path string, item node) []error {
		var r team.Rule
		text := func(field *string) func(*Config, string, node) []error {
			return one(func(_ *Config, text string) string {
				*field = text
				return someText(text)
			})
		}
		date := func(field *athenatrail.Date) func(*Config, string, node) []error {
			return one(func(_ *Config, text string) string {
				d, err := athenatrail.ParseDate(text)
				if err != nil || d <= 0 { // zero is a rule without the date
					return "a day such as 2026-11-03"
				}
				*field = d
				return ""
			})
		}
		wrong := eachField(c, path, item, map[string]func(*Config, string, node) []error{
			"team":           text(&r.Team),
			"person":         text(&r.Person),
			"role":           text(&r.Role),
			"account":        text(&r.Account),
			"ou":             text(&r.OU),
			"work_group":     text(&r.WorkGroup),
			"work_group_tag": text(&r.WorkGroupTag),
			"tool":           text(&r.Tool),
			"from":           date(&r.From),
			"to":             date(&r.To),
		})
		c.Teams = append(c.Teams, r)
		return wrong
	})
	if len(wrong) > 0 {
		return wrong
	}
	_, err := team.New(c.Teams)
	for _, err := range split(err) {
		var e *team.RuleError
		switch {
		case !errors.As(err, &e):
			wrong = append(wrong, n.place.errorf("%v", err))
		case e.Field == "":
			wrong = append(wrong, n.items[e.Index].place.errorf("%v", err))
		default:
			wrong = append(wrong, n.items[e.Index].at(e.Field).errorf("%v", err))
		}
	}
	return wrong
}

// split returns the errors that were joined.
func split(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// at returns where the value of a mapping's key stands; the mapping's own
// place without it.
func (n node) at(key string) place {
	for _, f := range n.fields {
		if f.key == key {
			return f.value.place
		}
	}
	return n.place
}

func showTeams(c *Config) (lines []shown) {
	date := func(d athenatrail.Date) string {
		if d == 0 {
			return ""
		}
		return d.String()
	}
	for i, r := range c.Teams {
		lines = append(lines, given(fmt.Sprintf("teams[%d].", i),
			"team", r.Team, "person", r.Person, "role", r.Role, "account", r.Account, "ou", r.OU, "work_group", r.WorkGroup,
			"work_group_tag", r.WorkGroupTag, "tool", r.Tool, "from", date(r.From), "to", date(r.To))...)
	}
	return lines
}

// setComments has each pattern compiled by itself, so that all that are wrong
// are told.
func setComments(c *Config, path string, n node) []error {
	c.Comments = nil
	wrong := eachItem(path, n, func(path string, item node) []error {
		var p annotation.Pattern
		text := func(field *string) func(*Config, string, node) []error {
			return one(func(_ *Config, text string) string {
				*field = text
				return ""
			})
		}
		wrong := eachField(c, path, item, map[string]func(*Config, string, node) []error{
			"tool":    text(&p.Tool),
			"pattern": text(&p.Pattern),
		})
		c.Comments = append(c.Comments, p)
		if len(wrong) > 0 {
			return wrong
		}
		_, err := annotation.NewPatterns([]annotation.Pattern{p})
		var e *annotation.PatternError
		switch {
		case errors.As(err, &e) && e.Field != "":
			return []error{item.at(e.Field).errorf("%s.%s, column %d: %s", path, e.Field, e.Offset+1, e.Reason)}
		case err != nil:
			return []error{item.place.errorf("%v", err)}
		}
		return nil
	})
	if len(wrong) == 0 {
		if _, err := annotation.NewPatterns(c.Comments); err != nil { // too many
			wrong = append(wrong, n.place.errorf("%v", err))
		}
	}
	return wrong
}

func showComments(c *Config) (lines []shown) {
	for i, p := range c.Comments {
		lines = append(lines, given(fmt.Sprintf("comments[%d].", i), "tool", p.Tool, "pattern", p.Pattern)...)
	}
	return lines
}

// setDirectory reads a path alone, or keys.
func setDirectory(c *Config, path string, n node) []error {
	if n.kind == kindScalar {
		return setDirectoryFile(c, path+".file", n)
	}
	yes := func(field *bool) func(*Config, string, node) []error {
		return one(func(_ *Config, text string) string {
			*field = text == "true"
			return oneOf("true", "false")(text)
		})
	}
	return eachField(c, path, n, map[string]func(*Config, string, node) []error{
		"file":           setDirectoryFile,
		"identity_store": yes(&c.Directory.IdentityStore),
		"accounts":       yes(&c.Directory.Accounts),
		"accounts_file":  setFile(&c.Directory.AccountsFile, "CSV"),
		"work_groups":    yes(&c.Directory.WorkGroups),
		"identity_store_region": one(func(c *Config, text string) string {
			c.Directory.IdentityStoreRegion = text
			return region(text)
		}),
	})
}

// setDirectoryFile reads the path of the directory's file.
func setDirectoryFile(c *Config, path string, n node) []error {
	return setFile(&c.Directory.File, "CSV")(c, path, n)
}

// setFile takes a path that is relative to the folder of the configuration file
// that it stands in, else to the working directory.
func setFile(field *string, kind string) func(*Config, string, node) []error {
	return func(c *Config, path string, n node) []error {
		if n.kind != kindScalar {
			return []error{n.place.errorf("%s: want one value", path)}
		}
		if someText(n.text) != "" || schemeForm.MatchString(n.text) {
			return []error{n.wrong(path, "the path of a "+kind+" file on disk")}
		}
		if n.place.line > 0 && schemeForm.MatchString(n.place.name) && !filepath.IsAbs(n.text) {
			return []error{n.wrong(path, "an absolute path, because the configuration is not on disk")}
		}
		name := besideFile(n.place, n.text)
		info, err := os.Stat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return []error{n.place.errorf("%s %q: there is no file %s", path, clip(n.text), clip(name))}
		case err != nil:
			return []error{n.place.errorf("%s %q: %v", path, clip(n.text), reason(err))}
		case info.IsDir():
			return []error{n.place.errorf("%s %q: is a folder: want a %s file", path, clip(n.text), kind)}
		}
		*field = name
		c.origins[path] = n.place.origin()
		return nil
	}
}

// besideFile returns a path as it is from the working directory: one that
// stands in a configuration file on disk is relative to that file's folder.
// What is no path, such as s3://bucket or -, stays.
func besideFile(at place, path string) string {
	folder := filepath.Dir(at.name)
	if at.line == 0 || folder == "." || path == "-" || filepath.IsAbs(path) || schemeForm.MatchString(path) || schemeForm.MatchString(at.name) {
		return path
	}
	return filepath.Join(folder, path)
}

func showDirectory(c *Config) []shown {
	d := &c.Directory
	lines := given("directory.", "file", d.File)
	lines = append(lines, shown{"directory.identity_store", strconv.FormatBool(d.IdentityStore)})
	lines = append(lines, given("directory.", "identity_store_region", d.IdentityStoreRegion)...)
	lines = append(lines, shown{"directory.accounts", strconv.FormatBool(d.Accounts)})
	lines = append(lines, given("directory.", "accounts_file", d.AccountsFile)...)
	return append(lines, shown{"directory.work_groups", strconv.FormatBool(d.WorkGroups)})
}
