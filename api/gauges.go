package api

import "github.com/prometheus/client_golang/prometheus"

// Gauge is a value for /metrics that somebody else knows.
type Gauge struct {
	Name, Help string
	Labels     map[string]string // the same names with each gauge of a name
	Counter    bool              // it only rises
	Value      func() float64
}

func (g Gauge) collector() prometheus.Collector {
	if g.Counter {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: g.Name, Help: g.Help, ConstLabels: g.Labels}, g.Value)
	}
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: g.Name, Help: g.Help, ConstLabels: g.Labels}, g.Value)
}

// Sample is a value with its labels' values.
type Sample struct {
	Labels []string
	Value  float64
}

// GaugeSet is a gauge whose labels' values are known only when it is asked for.
type GaugeSet struct {
	Name, Help string
	Labels     []string
	Values     func() []Sample
}

// Describe implements [prometheus.Collector].
func (g GaugeSet) Describe(to chan<- *prometheus.Desc) { to <- g.desc() }

// Collect implements [prometheus.Collector].
func (g GaugeSet) Collect(to chan<- prometheus.Metric) {
	for _, s := range g.Values() {
		to <- prometheus.MustNewConstMetric(g.desc(), prometheus.GaugeValue, s.Value, s.Labels...)
	}
}

func (g GaugeSet) desc() *prometheus.Desc { return prometheus.NewDesc(g.Name, g.Help, g.Labels, nil) }
