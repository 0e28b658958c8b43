"""Did a release make the fleet worse, where, and by how much.

A release reaches devices in stages, so on any day some devices run the new version and some the
old one. The old ones are the control. Comparing the two bluntly is wrong in four ways that every
fleet shows: who updates first is not like who waits; models, markets and days differ; the first
days after an update are slow for everybody; and one device is not many observations. The steps
here answer each of them, in this order (`judging.py` runs them, once per look):

1. `fleet.py`: device-days, one row per device and day, each known from the day it arrived.
2. `metrics.py`: what is watched: counts over hours of use, or logarithms of a measurement.
3. `baselines.py`: what the old version does, by model and OS, day and country; and how each device
   stood to that before the release, drawn towards its likes as far as its history is thin.
4. `cohorts.py`: devices that updated early, later, or not yet; each cohort's own standing before
   the release, so that eager owners are compared with what eager owners had before.
5. `contrasts.py`: new against old, matched by model, OS and day, in every slice of the fleet; where a
   slice has few devices left on the old version, the whole fleet's old version helps out. Variances
   are sums over devices, so however a device's days hang together, they count as one device.
6. `judging.py`: alerts, with one budget of false alarms for all looks and all slices of a metric.

The method is a staggered difference in differences with Mantel-Haenszel matching (Mantel and
Haenszel 1959), empirical-Bayes histories (Robbins 1956), and Taylor-linearized, device-clustered
variances (Liang and Zeger 1986). Nothing here is random: the same rows give the same alerts.
"""
