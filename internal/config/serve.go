package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"reflect"
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
	OIDC         ServeOIDC
	Roles        []ServeRole // of users that the proxy or OIDC names; the first that matches

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

// A ServeOIDC is a provider of OpenID Connect that signs users in.
type ServeOIDC struct {
	Issuer           string // empty: there is none
	ClientID         string
	ClientSecretFile string   // empty: a public client
	RedirectURL      string   // of the dashboard, ending in /login/callback
	Scopes           []string // beside openid; nil: email and profile
	UserClaim        string   // empty: email
	GroupsClaim      string   // empty: groups
}

// A ServeRole gives a role to users that the proxy or OIDC names.
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

// callbackPath is where a provider of OpenID Connect sends users back to.
const callbackPath = "/login/callback"

// webAddress checks an address that others rely on: by TLS, but for this
// machine's own. It ends in a path, where one is given.
func webAddress(path string) check {
	return func(text string) string {
		u, err := url.Parse(text)
		good := err == nil && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "" && (path == "" || u.Path == path)
		if good && (u.Scheme == "https" || u.Scheme == "http" && slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, u.Hostname())) {
			return ""
		}
		return "an address such as https://dashboard.example.com" + path
	}
}

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
		"oidc": func(c *Config, path string, n node) []error {
			o := &c.Serve.OIDC
			return eachField(c, path, n, map[string]func(*Config, string, node) []error{
				"issuer":             text(&o.Issuer, webAddress("")),
				"client_id":          text(&o.ClientID, someText),
				"client_secret_file": servePath(&o.ClientSecretFile),
				"redirect_url":       text(&o.RedirectURL, webAddress(callbackPath)),
				"scopes":             serveTexts(&o.Scopes, someText),
				"user_claim":         text(&o.UserClaim, someText),
				"groups_claim":       text(&o.GroupsClaim, someText),
			})
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
	case s.OIDC.Issuer == "" && !reflect.DeepEqual(s.OIDC, ServeOIDC{}):
		wrong = append(wrong, n.place.errorf("%s.oidc: no issuer: want the address of the provider that signs users in", path))
	case s.OIDC.Issuer != "" && s.OIDC.ClientID == "":
		wrong = append(wrong, n.place.errorf("%s.oidc: no client_id: want the one that the provider knows the dashboard by", path))
	case s.OIDC.Issuer != "" && s.OIDC.RedirectURL == "":
		wrong = append(wrong, n.place.errorf("%s.oidc: no redirect_url: want the dashboard's address and %s, as the provider has it", path, callbackPath))
	case s.OIDC.Issuer != "" && len(s.Roles) == 0:
		wrong = append(wrong, n.place.errorf("%s: no roles: want what those who sign in by oidc may see, such as {user: \"*\", role: self}", path))
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
	o := &s.OIDC
	lines = append(lines, given("serve.oidc.", "issuer", o.Issuer, "client_id", o.ClientID, "client_secret_file", o.ClientSecretFile, "redirect_url", o.RedirectURL,
		"scopes", strings.Join(o.Scopes, ", "), "user_claim", o.UserClaim, "groups_claim", o.GroupsClaim)...)
	for i, r := range s.Roles {
		lines = append(lines, given(fmt.Sprintf("serve.roles[%d].", i), "user", r.User, "group", r.Group, "role", r.Role, "teams", strings.Join(r.Teams, ", "))...)
	}
	return append(lines, given("serve.", "sql_roles", strings.Join(s.SQLRoles, ", "))...)
}
