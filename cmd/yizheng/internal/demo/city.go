package demo

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"yizheng.internal/cmd/yizheng/internal/demo/department"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/serve"
	"yizheng.internal/cmd/yizheng/internal/texts"
)

// city is what stands around the service in the demo, in the same process and
// at addresses of its own: the systems of two departments, which know the
// service as any other client does, and the page of what was sent to phones.
type city struct {
	service     *serve.Service
	departments []net.Listener // of samples.departments, in their order
	urls        []string       // of them
	messages    net.Listener
}

// openCity binds the addresses: those of an earlier demo, for the departments
// are registered under them, or else the ports after the service's, or free ones.
func openCity(ctx context.Context, s *serve.Service, samples samples, earlier demoFacts) (*city, error) {
	c := &city{service: s}
	_, text, _ := net.SplitHostPort(s.Public.Addr().String())
	port, err := strconv.Atoi(text)
	if err != nil {
		return nil, err
	}
	bind := func(i int, earlier string) (net.Listener, error) {
		l, err := listenBeside(ctx, port+1+i, earlier)
		if err == nil {
			s.Beside = append(s.Beside, serve.Site{Listener: l})
		}
		return l, err
	}
	for i := range samples.departments {
		before := ""
		if i < len(earlier.Departments) {
			before = earlier.Departments[i].Listen
		}
		l, err := bind(i, before)
		if err != nil {
			return nil, err
		}
		c.departments = append(c.departments, l)
	}
	c.messages, err = bind(len(samples.departments), strings.TrimPrefix(earlier.MessagesURL, "http://"))
	return c, err
}

// name says at which URLs the departments are seen, where that isn't where they
// listen.
func (c *city) name(urls []string) error {
	for i, l := range c.departments {
		url := "http://" + l.Addr().String()
		if i < len(urls) {
			url = urls[i]
		}
		url, err := install.CanonicalURL(url)
		if err != nil {
			return texts.Refuse("usage.of", "--department-url", err)
		}
		c.urls = append(c.urls, url)
	}
	if len(urls) > len(c.urls) {
		return texts.Usage("demo.departments", len(c.urls))
	}
	return nil
}

// listenBeside binds a port on 127.0.0.1: an earlier address, or the port that
// is wished for, or any.
func listenBeside(ctx context.Context, wished int, earlier string) (net.Listener, error) {
	if earlier != "" {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", earlier)
		if err != nil {
			return nil, texts.Refuse("demo.bound", err)
		}
		return l, nil
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(wished%(1<<16))))
	if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EACCES) {
		l, err = (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	}
	return l, err
}

// messagesURL returns the URL of the page of messages, which is never elsewhere
// than on this machine.
func (c *city) messagesURL() string { return "http://" + c.messages.Addr().String() }

// open sets the city up: from now on it can be served.
func (c *city) open(facts demoFacts, samples samples, box *messageBox) error {
	for i, d := range samples.departments {
		client, ok := facts.clientAt(d.callback(c.urls[i]))
		if !ok {
			return texts.Refuse("demo.elsewhere", d.Participant, c.urls[i])
		}
		h, err := department.New(department.Config{
			Issuer: facts.Issuer, ClientID: client.ClientID, ClientSecret: client.ClientSecret, Scopes: d.names(),
			URL: c.urls[i], Profile: d.Profile, Log: c.service.Log.With("department", d.Participant),
		})
		if err != nil {
			return texts.Refuse("demo.sample", d.Participant, err)
		}
		c.service.Beside[i].Handler = h
	}
	c.service.Beside[len(c.departments)].Handler = onlyAs(c.messages.Addr().String(), box.page(facts))
	return nil
}

// clientAt returns the client with that redirect URI.
func (f demoFacts) clientAt(redirectURI string) (demoClient, bool) {
	for _, c := range f.Clients {
		if slices.Contains(c.RedirectURIs, redirectURI) {
			return c, true
		}
	}
	return demoClient{}, false
}

// onlyAs refuses requests for another host: a page on the internet whose name
// is made to lead here must not read one-time codes.
func onlyAs(host string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.EqualFold(r.Host, host) {
			http.Error(w, "This page is at http://"+host+"/ alone.", http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}
