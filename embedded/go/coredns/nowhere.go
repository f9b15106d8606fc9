package main

import (
	"context"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/miekg/dns"
)

// nowhere is the plugin that says of every name that there is none: outside the cluster there is nobody to ask.
const nowhere = "nowhere"

func init() {
	plugin.Register(nowhere, func(controller *caddy.Controller) error {
		dnsserver.GetConfig(controller).AddPlugin(func(plugin.Handler) plugin.Handler { return noNames{} })
		return nil
	})
}

type noNames struct{}

func (noNames) Name() string { return nowhere }

func (noNames) ServeDNS(_ context.Context, answer dns.ResponseWriter, question *dns.Msg) (int, error) {
	return dns.RcodeNameError, answer.WriteMsg(new(dns.Msg).SetRcode(question, dns.RcodeNameError))
}
