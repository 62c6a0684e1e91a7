package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// DefaultListen is where the dashboard listens: on this machine, for nobody
// else.
const DefaultListen = "127.0.0.1:8080"

// A Serve is who may see the dashboard, and where it is.
type Serve struct {
	Listen  string // host:port
	TLSCert string // a PEM file; empty: no TLS
	TLSKey  string

	// TokenFile holds a token by which its holder sees everything; empty: none.
	TokenFile string
	Users     []ServeUser

	TrustedProxy ServeProxy
	Roles        []ServeRole // of users that the proxy names; the first that matches

	// SQLRoles are the roles that may read SQL; nil: admin, team and self.
	SQLRoles []string
}

// A ServeUser is known by a token.
type ServeUser struct {
	Name      string
	TokenFile string
	Role      string
	Teams     []string // of the role team
	Person    string   // of the role self, as reports name it; empty: Name
}

// A ServeProxy signs users in and names them in a header.
type ServeProxy struct {
	Header       string // empty: there is none
	GroupsHeader string
	From         []netip.Prefix // whose header is believed
}

// A ServeRole gives a role to users that the proxy names.
type ServeRole struct {
	User  string // a pattern; empty is any
	Group string // likewise, of one of the user's groups
	Role  string
	Teams []string
}

// serveRoles are the roles, from the one that sees all to the one that sees
// least.
var serveRoles = []string{"admin", "viewer", "team", "self"}

var (
	listenForm = regexp.MustCompile(`^(\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9.-]*):[0-9]{1,5}$`)
	headerForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,63}$`)
)

func setServe(c *Config, path string, n node) []error {
	s := &c.Serve
	text := func(field *string, is check) func(*Config, string, node) []error {
		return one(func(_ *Config, text string) string {
			*field = text
			return is(text)
		})
	}
	wrong := eachField(c, path, n, map[string]func(*Config, string, node) []error{
		"listen":     text(&s.Listen, matching(listenForm, "an address and a port, such as 127.0.0.1:8080")),
		"tls_cert":   servePath(&s.TLSCert),
		"tls_key":    servePath(&s.TLSKey),
		"token_file": servePath(&s.TokenFile),
		"users":      setServeUsers,
		"trusted_proxy": func(c *Config, path string, n node) []error {
			p := &c.Serve.TrustedProxy
			return eachField(c, path, n, map[string]func(*Config, string, node) []error{
				"header":        text(&p.Header, matching(headerForm, "the name of a header, such as X-Forwarded-User")),
				"groups_header": text(&p.GroupsHeader, matching(headerForm, "the name of a header, such as X-Forwarded-Groups")),
				"from":          setPrefixes(&p.From),
			})
		},
		"roles":     setServeRoles,
		"sql_roles": serveTexts(&s.SQLRoles, oneOf(serveRoles...)),
		"oidc": func(_ *Config, path string, n node) []error {
			return []error{n.place.errorf("%s: this version of athenatrail does not sign in by OpenID Connect itself: let a proxy do it, and name it under trusted_proxy", path)}
		},
	})
	if len(wrong) > 0 {
		return wrong
	}
	p := &s.TrustedProxy
	switch {
	case (s.TLSCert == "") != (s.TLSKey == ""):
		wrong = append(wrong, n.place.errorf("%s: tls_cert and tls_key belong together", path))
	case p.Header != "" && len(p.From) == 0:
		wrong = append(wrong, n.place.errorf("%s.trusted_proxy: no from: want the addresses that the proxy comes from, or everybody could name themselves", path))
	case p.Header == "" && (p.GroupsHeader != "" || len(p.From) > 0):
		wrong = append(wrong, n.place.errorf("%s.trusted_proxy: no header: want the one in which the proxy names the user", path))
	case p.Header != "" && len(s.Roles) == 0:
		wrong = append(wrong, n.place.errorf("%s: no roles: want what users of the proxy may see, such as {user: \"*\", role: self}", path))
	}
	return wrong
}

// servePath takes the name of a file, which is read when the dashboard starts.
func servePath(field *string) func(*Config, string, node) []error {
	return func(c *Config, path string, n node) []error {
		return one(func(_ *Config, text string) string {
			*field = besideFile(n.place, text)
			return someText(text)
		})(c, path, n)
	}
}

func serveTexts(field *[]string, is check) func(*Config, string, node) []error {
	return func(c *Config, path string, n node) (wrong []error) {
		*field, wrong = texts(path, n, is)
		if *field == nil {
			*field = []string{}
		}
		c.origins[path] = n.place.origin()
		return wrong
	}
}

func setPrefixes(field *[]netip.Prefix) func(*Config, string, node) []error {
	return func(c *Config, path string, n node) []error {
		*field = nil
		_, wrong := texts(path, n, func(text string) string {
			p, err := netip.ParsePrefix(text)
			if err != nil {
				a, err := netip.ParseAddr(text)
				if err != nil {
					return "addresses such as 10.0.0.0/8 or 192.0.2.7"
				}
				p = netip.PrefixFrom(a, a.BitLen())
			}
			*field = append(*field, p.Masked())
			return ""
		})
		c.origins[path] = n.place.origin()
		return wrong
	}
}

func setServeUsers(c *Config, path string, n node) []error {
	c.Serve.Users = nil
	return eachItem(path, n, func(path string, item node) []error {
		var u ServeUser
		text := func(field *string, is check) func(*Config, string, node) []error {
			return one(func(_ *Config, text string) string {
				*field = text
				return is(text)
			})
		}
		wrong := eachField(c, path, item, map[string]func(*Config, string, node) []error{
			"name":       text(&u.Name, someText),
			"token_file": servePath(&u.TokenFile),
			"role":       text(&u.Role, oneOf(serveRoles...)),
			"teams":      serveTexts(&u.Teams, someText),
			"person":     text(&u.Person, someText),
		})
		switch {
		case len(wrong) > 0:
		case u.Name == "":
			wrong = append(wrong, item.place.errorf("%s: no name", path))
		case u.TokenFile == "":
			wrong = append(wrong, item.place.errorf("%s: no token_file: want a file that holds the token", path))
		case slices.ContainsFunc(c.Serve.Users, func(other ServeUser) bool { return other.Name == u.Name }):
			wrong = append(wrong, item.place.errorf("%s: %s stands here twice", path, u.Name))
		default:
			wrong = append(wrong, teamsOfRole(path, item, u.Role, u.Teams)...)
		}
		c.Serve.Users = append(c.Serve.Users, u)
		return wrong
	})
}

func setServeRoles(c *Config, path string, n node) []error {
	c.Serve.Roles = nil
	return eachItem(path, n, func(path string, item node) []error {
		var r ServeRole
		text := func(field *string, is check) func(*Config, string, node) []error {
			return one(func(_ *Config, text string) string {
				*field = text
				return is(text)
			})
		}
		wrong := eachField(c, path, item, map[string]func(*Config, string, node) []error{
			"user":  text(&r.User, someText),
			"group": text(&r.Group, someText),
			"role":  text(&r.Role, oneOf(serveRoles...)),
			"teams": serveTexts(&r.Teams, someText),
		})
		if len(wrong) == 0 {
			wrong = teamsOfRole(path, item, r.Role, r.Teams)
		}
		c.Serve.Roles = append(c.Serve.Roles, r)
		return wrong
	})
}

// teamsOfRole refuses a role team without teams, and teams without it.
func teamsOfRole(path string, item node, role string, teams []string) []error {
	switch {
	case role == "":
		return []error{item.place.errorf("%s: no role: want one of %s", path, strings.Join(serveRoles, ", "))}
	case role == "team" && len(teams) == 0:
		return []error{item.place.errorf("%s: no teams: the role team sees the rows of some", path)}
	case role != "team" && len(teams) > 0:
		return []error{item.place.errorf("%s: teams: only the role team sees by teams, not %s", path, role)}
	}
	return nil
}

func showServe(c *Config) []shown {
	s := &c.Serve
	lines := []shown{{"serve.listen", s.Listen}}
	lines = append(lines, given("serve.", "tls_cert", s.TLSCert, "tls_key", s.TLSKey, "token_file", s.TokenFile)...)
	for i, u := range s.Users {
		lines = append(lines, given(fmt.Sprintf("serve.users[%d].", i), "name", u.Name, "token_file", u.TokenFile, "role", u.Role, "teams", strings.Join(u.Teams, ", "), "person", u.Person)...)
	}
	var from []string
	for _, p := range s.TrustedProxy.From {
		from = append(from, p.String())
	}
	lines = append(lines, given("serve.trusted_proxy.", "header", s.TrustedProxy.Header, "groups_header", s.TrustedProxy.GroupsHeader, "from", strings.Join(from, ", "))...)
	for i, r := range s.Roles {
		lines = append(lines, given(fmt.Sprintf("serve.roles[%d].", i), "user", r.User, "group", r.Group, "role", r.Role, "teams", strings.Join(r.Teams, ", "))...)
	}
	return append(lines, given("serve.", "sql_roles", strings.Join(s.SQLRoles, ", "))...)
}
