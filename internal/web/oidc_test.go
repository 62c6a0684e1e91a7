package web_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail/internal/web"
)

// A provider signs people in as OpenID Connect has it, and refuses what a
// provider refuses: redirect addresses, clients, codes and verifiers that it
// does not know.
type provider struct {
	*httptest.Server
	t        *testing.T
	key      *rsa.PrivateKey
	redirect string // the one that it was told of

	mu     sync.Mutex
	claims map[string]any // of the next token, over those that are right
	spoil  func(token string) string
	refuse string // an error, in the place of a code
	codes  map[string]url.Values
	asked  url.Values // what it was asked last
}

const clientID, clientSecret = "dashboard", "a secret of the client's"

func startProvider(t *testing.T) *provider {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{t: t, key: key, codes: map[string]url.Values{}}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, code int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		json.NewEncoder(w).Encode(v)
	}
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, map[string]any{"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"RS256"}, "response_types_supported": []string{"code"}})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, map[string]any{"keys": []any{map[string]any{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1",
			"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()), "e": "AQAB"}}})
	})
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.asked = q
		if q.Get("client_id") != clientID || q.Get("redirect_uri") != p.redirect || q.Get("response_type") != "code" || !strings.Contains(" "+q.Get("scope")+" ", " openid ") ||
			q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "" || q.Get("nonce") == "" || q.Get("state") == "" {
			http.Error(w, "invalid_request", 400)
			return
		}
		back := url.Values{"state": {q.Get("state")}}
		if p.refuse != "" {
			back.Set("error", p.refuse)
			back.Set("error_description", "<b>not you</b>")
		} else {
			code := fmt.Sprintf("code-%d", len(p.codes))
			p.codes[code] = q
			back.Set("code", code)
		}
		http.Redirect(w, r, p.redirect+"?"+back.Encode(), http.StatusFound)
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		p.mu.Lock()
		defer p.mu.Unlock()
		user, secret, ok := r.BasicAuth()
		if !ok {
			user, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
		}
		if user, _ = url.QueryUnescape(user); user != clientID {
			answer(w, 401, map[string]string{"error": "invalid_client"})
			return
		}
		if plain, err := url.QueryUnescape(secret); err != nil || plain != clientSecret && secret != clientSecret {
			answer(w, 401, map[string]string{"error": "invalid_client"})
			return
		}
		q, known := p.codes[r.PostForm.Get("code")]
		sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
		if !known || q == nil || r.PostForm.Get("redirect_uri") != p.redirect || base64.RawURLEncoding.EncodeToString(sum[:]) != q.Get("code_challenge") {
			answer(w, 400, map[string]string{"error": "invalid_grant", "error_description": "the secret " + clientSecret + " should not be logged"})
			return
		}
		p.codes[r.PostForm.Get("code")] = nil // once
		claims := map[string]any{"iss": p.URL, "aud": clientID, "sub": "248289761001", "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(), "nonce": q.Get("nonce"),
			"email": "nora@example.com", "email_verified": true, "groups": []string{"everybody", "data-platform"}}
		for name, v := range p.claims {
			if claims[name] = v; v == nil {
				delete(claims, name)
			}
		}
		reply := map[string]any{"access_token": "an access token", "token_type": "Bearer", "expires_in": 3600}
		if token := p.spoil(p.sign(claims, key)); token != "" {
			reply["id_token"] = token
		}
		answer(w, 200, reply)
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	p.reset()
	return p
}

func (p *provider) reset() {
	p.claims, p.refuse, p.spoil = nil, "", func(token string) string { return token }
}

func (p *provider) sign(claims map[string]any, key *rsa.PrivateKey) string {
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			p.t.Error(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	text := part(map[string]string{"alg": "RS256", "kid": "1", "typ": "JWT"}) + "." + part(claims)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		p.t.Error(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// openOIDC opens a dashboard that a provider signs people in to. It listens
// before it is made, because its address is in what it is made of.
func openOIDC(t *testing.T, p *provider, change func(*web.OIDC)) *site {
	t.Helper()
	var s *web.Server
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.ServeHTTP(w, r) }))
	p.redirect = server.URL + web.CallbackPath
	o := web.OIDC{Issuer: p.URL, ClientID: clientID, ClientSecret: clientSecret, RedirectURL: p.redirect}
	if change != nil {
		change(&o)
	}
	dir := lakeDir(t)
	s, err := web.New(web.Options{PriceBasis: "AWS's list prices", Lake: web.Lake{Dir: dir, Settings: settingsOf(t, dir)},
		Auth: web.Auth{OIDC: o, Rules: []web.Rule{{Group: "data-*", Role: web.Viewer}, {User: "*@example.com", Role: web.Self}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Close()
		s.Close()
	})
	return &site{t, server, s}
}

// signIn follows a browser's way to the provider and back, and returns the last
// answer, and the browser.
func (s *site) signIn(to string) (reply, *http.Client) {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	return s.visit(browser, "/login/oidc?"+url.Values{"to": {to}}.Encode()), browser
}

func (s *site) visit(browser *http.Client, path string) reply {
	s.t.Helper()
	answer, err := browser.Get(s.URL + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return reply{answer.StatusCode, answer.Header, string(body)}
}

func TestSignInByOIDC(t *testing.T) {
	p := startProvider(t)
	s := openOIDC(t, p, nil)
	if r := s.get("/people?window=30d"); r.code != 303 || r.header.Get("Location") != "/login?to=%2Fpeople%3Fwindow%3D30d" {
		t.Fatalf("without a cookie: %d to %s", r.code, r.header.Get("Location"))
	}
	if body := s.get("/login?to=/people").body; !strings.Contains(body, `href="/login/oidc?to=%2Fpeople"`) || strings.Contains(body, `type="password"`) {
		t.Errorf("the page to sign in does not lead to the provider: %s", body)
	}
	r, browser := s.signIn("/people?window=30d")
	if r.code != 200 || !strings.Contains(r.body, "signed in as nora@example.com") || !strings.Contains(r.body, `content="0; url=/people?window=30d"`) {
		t.Fatalf("status %d: %s", r.code, r.body)
	}
	if got := p.asked.Get("scope"); got != "openid email profile" {
		t.Errorf("asked for the scopes %q", got)
	}
	for _, line := range r.header.Values("Set-Cookie") {
		if strings.HasPrefix(line, "athenatrail_session=") && (!strings.Contains(line, "HttpOnly") || !strings.Contains(line, "SameSite=Strict")) {
			t.Errorf("the session's cookie is %s", line)
		}
	}
	if r := s.visit(browser, "/limits"); r.code != 200 || !strings.Contains(r.body, "viewer") {
		t.Errorf("the group data-platform does not make a viewer: %d", r.code)
	}
	// Another place to go on to than a page of ours is none.
	if r, _ := s.signIn("https://evil.example.com/"); strings.Contains(r.body, "evil") || !strings.Contains(r.body, `content="0; url=/"`) {
		t.Errorf("goes on to another site: %s", r.body)
	}
	// Rules are tried with the name where no group matches.
	p.claims = map[string]any{"groups": "everybody"}
	_, browser = s.signIn("/")
	if r := s.visit(browser, "/health"); r.code != 403 {
		t.Errorf("somebody who sees their own rows gets the health of the lake: %d", r.code)
	}
	p.claims = map[string]any{"groups": nil, "email": "kim@other.example.org"}
	r, browser = s.signIn("/")
	if r.code != 403 || !strings.Contains(r.body, "no rule gives") || hasSession(t, s, browser) {
		t.Errorf("a stranger: %d: %s", r.code, text(parse(t, r.body)))
	}
}

// TestOIDCRefuses sends answers of the provider that prove nothing.
func TestOIDCRefuses(t *testing.T) {
	p := startProvider(t)
	s := openOIDC(t, p, nil)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	right := map[string]any{"iss": p.URL, "aud": clientID, "sub": "1", "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(), "email": "nora@example.com", "email_verified": true}
	with := func(name string, v any) func() { return func() { p.claims = map[string]any{name: v} } }
	for name, spoil := range map[string]func(){
		"another nonce":      with("nonce", "of somebody else"),
		"no nonce":           with("nonce", nil),
		"expired":            with("exp", time.Now().Add(-time.Hour).Unix()),
		"another audience":   with("aud", "another client"),
		"another issuer":     with("iss", "https://evil.example.com"),
		"unverified address": with("email_verified", false),
		"nothing on address": with("email_verified", nil),
		"no address":         with("email", nil),
		"a list of names":    with("email", []string{"nora@example.com"}),
		"no token":           func() { p.spoil = func(string) string { return "" } },
		"another key": func() {
			p.spoil = func(token string) string {
				claims := maps.Clone(right)
				claims["nonce"] = p.asked.Get("nonce")
				return p.sign(claims, other)
			}
		},
		"no signature": func() {
			p.spoil = func(token string) string {
				_, rest, _ := strings.Cut(token, ".")
				body, _, _ := strings.Cut(rest, ".")
				return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + body + "."
			}
		},
		"changed after signing": func() {
			p.spoil = func(token string) string {
				parts := strings.Split(token, ".")
				body, _ := base64.RawURLEncoding.DecodeString(parts[1])
				parts[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(body), "nora@", "root@", 1)))
				return strings.Join(parts, ".")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p.reset()
			spoil()
			r, browser := s.signIn("/people")
			if r.code != 401 || !strings.Contains(r.body, "does not prove who you are") {
				t.Errorf("status %d: %s", r.code, text(parse(t, r.body)))
			}
			if hasSession(t, s, browser) {
				t.Error("there is a session")
			}
		})
	}
	p.reset()
	p.refuse = "access_denied"
	if r, _ := s.signIn("/"); r.code != 403 || !strings.Contains(r.body, "access_denied &lt;b&gt;") {
		t.Errorf("refused by the provider: %d: %s", r.code, text(parse(t, r.body)))
	}
}

func hasSession(t *testing.T, s *site, browser *http.Client) bool {
	t.Helper()
	return slices.ContainsFunc(browser.Jar.Cookies(mustParse(t, s.URL)), func(c *http.Cookie) bool { return c.Name == "athenatrail_session" })
}

func mustParse(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestOIDCOnlyEndsWhatBegan comes back from the provider on ways that this
// browser did not go.
func TestOIDCOnlyEndsWhatBegan(t *testing.T) {
	p := startProvider(t)
	s := openOIDC(t, p, nil)
	// Somebody goes to the provider, and sends the way back to somebody else.
	out := s.get("/login/oidc?to=/people")
	cookie := strings.Split(out.header.Get("Set-Cookie"), ";")[0]
	if line := out.header.Get("Set-Cookie"); out.code != 303 || !strings.Contains(line, "SameSite=Lax") || !strings.Contains(line, "HttpOnly") {
		t.Fatalf("%d with %q", out.code, line)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Get(out.header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	back := strings.TrimPrefix(answer.Header.Get("Location"), s.URL)
	with := func(line string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Cookie", line) }
	}
	for name, change := range map[string]func(*http.Request){"no cookie": nil, "another browser": with("athenatrail_signin=another")} {
		if r := s.do("GET", back, change); r.code != 400 || !strings.Contains(r.body, "sign in again") || r.header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %d", name, r.code)
		}
	}
	if r := s.do("GET", strings.Replace(back, "state=", "state=x", 1), with(cookie)); r.code != 400 {
		t.Errorf("another state: %d", r.code)
	}
	if r := s.do("GET", back, with(cookie)); r.code != 200 {
		t.Errorf("the browser that began: %d: %s", r.code, text(parse(t, r.body)))
	}
	if r := s.do("GET", back, with(cookie)); r.code != 400 {
		t.Errorf("the same way again: %d", r.code)
	}
	// A code that was redeemed, or was got with another verifier, is worth nothing.
	_, query, _ := strings.Cut(back, "?")
	code := mustQuery(t, query).Get("code")
	out = s.get("/login/oidc")
	cookie = strings.Split(out.header.Get("Set-Cookie"), ";")[0]
	state := mustParse(t, out.header.Get("Location")).Query().Get("state")
	for _, c := range []string{code, "guessed"} {
		if r := s.do("GET", web.CallbackPath+"?"+url.Values{"state": {state}, "code": {c}}.Encode(), with(cookie)); r.code != 401 && r.code != 400 {
			t.Errorf("the code %s: %d", c, r.code)
		}
	}
}

func mustQuery(t *testing.T, query string) url.Values {
	t.Helper()
	v, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestOIDCMistakes(t *testing.T) {
	p := startProvider(t)
	s := openOIDC(t, p, func(o *web.OIDC) { o.ClientSecret = "another" })
	if r, _ := s.signIn("/"); r.code != 401 {
		t.Errorf("a wrong secret: %d", r.code)
	}
	s = openOIDC(t, p, func(o *web.OIDC) { o.Issuer = "http://127.0.0.1:1" })
	if r := s.get("/login/oidc"); r.code != 502 || !strings.Contains(r.body, "cannot be reached") {
		t.Errorf("without a provider: %d", r.code)
	}
	s = openOIDC(t, p, func(o *web.OIDC) { o.UserClaim, o.GroupsClaim, o.Scopes = "sub", "roles", []string{"roles"} })
	p.claims = map[string]any{"sub": "x1", "roles": []any{"data-x", 7}}
	if r, _ := s.signIn("/"); r.code != 200 || !strings.Contains(r.body, "signed in as x1") || p.asked.Get("scope") != "openid roles" {
		t.Errorf("by other claims: %d, scope %q", r.code, p.asked.Get("scope"))
	}
	for _, o := range []web.OIDC{
		{Issuer: p.URL}, {Issuer: "http://id.example.com", ClientID: "x", RedirectURL: "https://a.example.com" + web.CallbackPath},
		{Issuer: p.URL, ClientID: "x", RedirectURL: "https://a.example.com/"}, {Issuer: p.URL, ClientID: "x", RedirectURL: "http://a.example.com" + web.CallbackPath},
	} {
		if _, err := web.New(web.Options{Lake: web.Lake{Dir: lakeDir(t)}, Auth: web.Auth{OIDC: o}}); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
	if r := demo(t).get("/login/oidc"); r.code != 404 {
		t.Errorf("without OpenID Connect: %d", r.code)
	}
	if r := demo(t).get(web.CallbackPath); r.code != 404 {
		t.Errorf("without OpenID Connect: %d", r.code)
	}
}
