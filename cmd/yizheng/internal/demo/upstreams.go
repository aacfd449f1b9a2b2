package demo

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"net"
	"strconv"

	"github.com/go-json-experiment/json"

	"yizheng.internal/cmd/yizheng/internal/demo/elsewhere"
	"yizheng.internal/cmd/yizheng/internal/serve"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/upstream"
)

// neighbours are the samples of other platforms with which people log in. They are seen on this machine alone.
type neighbours struct {
	listener net.Listener
	secret   string
}

// The platforms' ids.
const provinceID, networkID = "yunling", "network"

// openNeighbours binds an address, four ports after the service's if that is known.
func openNeighbours(ctx context.Context, service string) (*neighbours, error) {
	_, text, err := net.SplitHostPort(service)
	if err != nil {
		return nil, nil // the service says it better
	}
	port, _ := strconv.Atoi(text) // 0: any
	if port > 0 {
		port += 4
	}
	l, err := listenBeside(ctx, port, "")
	return &neighbours{l, rand.Text()}, err
}

func (n *neighbours) url() string { return "http://" + n.listener.Addr().String() }

// providers registers the platforms, as a file would.
func (n *neighbours) providers(titles map[string]party.Names) ([]upstream.Provider, error) {
	levels := func(claim string, strength factor.Assurance) map[string]any {
		return map[string]any{"claim": claim, "values": map[string]upstream.Level{"level2": {Proofing: 2, Strength: strength}}, "default": upstream.Level{}}
	}
	file := map[string]any{"providers": []any{
		map[string]any{
			"id": provinceID, "title": titles[provinceID], "max_level": 2, "levels": levels("acr", 2), "create": true, "private": true,
			"openid": map[string]any{
				"issuer": n.url(), "client_id": "yizheng", "client_secret_file": "secret", "algorithms": []string{"ES256"},
				"claims": map[string]any{"code": "id_number", "phone": "phone_number"},
			},
		},
		map[string]any{
			"id": networkID, "title": titles[networkID], "max_level": 2, "levels": levels("data.level", 1), "private": true,
			"ticket": map[string]any{
				"login_url": n.url() + elsewhere.TicketLoginPath, "login_params": map[string]string{"appid": "yizheng"}, "fresh_params": map[string]string{"renew": "1"},
				"return_param": elsewhere.ReturnParam, "state_param": elsewhere.StateParam, "ticket_param": elsewhere.TicketParam,
				"exchange_url": n.url() + elsewhere.TicketExchangePath, "params": map[string]string{"appid": "yizheng"}, "time_name": "time",
				"signature": map[string]any{"kind": "hmac-sm3", "key_file": "secret", "order": []string{"appid", "ticket", "time"}, "join": "&", "named": true},
				"success":   "code", "success_is": "0",
				"answer": map[string]any{"subject": "data.person.id", "name": "data.person.name", "code": "data.person.number", "phone": "data.person.phone", "auth_time": "data.login_time"},
			},
		},
	}}
	text, err := json.Marshal(file)
	if err != nil {
		return nil, err
	}
	read := func(string) ([]byte, error) { return []byte(n.secret), nil }
	return upstream.ReadProviders(text, upstream.Files{Secret: read, Public: read})
}

// newcomer has an account at the platforms, and none here. The phone is nobody's.
var newcomer = elsewhere.Person{Subject: "yl-2001", Name: "陈样例", Code: "990102199206145028", Phone: "+8615400000009", Level: "level2"}

// open has the platforms served beside the service.
func (n *neighbours) open(s *serve.Service, samples samples) error {
	back := s.In.URL + "/login/upstream/"
	c := elsewhere.Config{
		URL: n.url(), Title: samples.platforms[provinceID]["zh-CN"], Ticket: samples.platforms[networkID]["zh-CN"], Callback: back + provinceID, Returns: back + networkID, ClientID: "yizheng", Secret: n.secret,
	}
	for i, p := range samples.people {
		if i < 3 && cmp.Or(p.CodeType, party.Citizen) == party.Citizen {
			c.People = append(c.People, elsewhere.Person{Subject: "yl-100" + strconv.Itoa(i), Name: p.Name, Code: p.Code, Phone: p.Phone, Level: "level2"})
		}
	}
	c.People = append(c.People, newcomer)
	platforms, err := elsewhere.New(c)
	if err != nil {
		return texts.Refuse("demo.sample", provinceID, err)
	}
	s.Beside = append(s.Beside, serve.Site{Listener: n.listener, Handler: onlyAs(n.listener.Addr().String(), platforms.Handler())})
	return nil
}

// neighbours binds the address of the platforms, and registers them with the service. Where that is
// seen elsewhere than on this machine, there are none: no browser would reach them.
func (c Config) neighbours(ctx context.Context, config *serve.Config, samples samples) (*neighbours, error) {
	if c.PublicURL != "" {
		return nil, nil
	}
	n, err := openNeighbours(ctx, c.Listen)
	if err != nil || n == nil {
		return nil, err
	}
	if config.Outside.Upstreams, err = n.providers(samples.platforms); err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

// close gives the address back, if there is one that nothing else closes.
func (n *neighbours) close() error {
	if n == nil {
		return nil
	}
	if err := n.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
