// CartPole as Gymnasium's CartPole-v1 has it, but for the random numbers of `reset`.
//
// Source of the equations: Barto, Sutton and Anderson, "Neuronlike adaptive elements that can solve
// difficult learning control problems" (1983), with the constants of Gymnasium's documentation.
#pragma once

#include <cmath>

#include "rlmesh/frames.hpp"

// Observations are float32 (x, its speed in m/s, the angle in rad, its speed in rad/s); the actions 0
// and 1 push to the left and to the right. The option "state" of a reset, four numbers, sets the state.
class CartPole {
 public:
  rlmesh::Contract contract() const {
    const float limits[4] = {4.8F, INFINITY, 0.41887903F, INFINITY};
    std::vector<float> high(limits, limits + 4), low;
    for (const float limit : high) low.push_back(-limit);
    rlmesh::Contract contract;
    contract.id = "CartPole-v1";
    contract.observation_space = rlmesh::Space::box(low, high, {4});
    contract.action_space = rlmesh::Space::discrete(2);
    contract.max_episode_steps = max_steps;
    return contract;
  }

  rlmesh::Start reset(std::optional<std::uint64_t> seed, const rlmesh::Dynamic::Map* options) {
    if (seed) generator_.seed(*seed);
    std::uniform_real_distribution<double> around(-0.05, 0.05);
    for (double& number : state_) number = around(generator_);
    steps_ = 0;
    const rlmesh::Dynamic* state = options != nullptr ? options->find("state") : nullptr;
    const auto* numbers = state != nullptr ? state->get<rlmesh::Dynamic::List>() : nullptr;
    for (std::size_t i = 0; numbers != nullptr && i < 4; ++i) state_[i] = *numbers->elements.at(i).get<double>();
    return {observation(), {}};
  }

  rlmesh::Step step(const rlmesh::Value& action) {
    constexpr double gravity = 9.8, cart_mass = 1.0, pole_mass = 0.1, half_length = 0.5, tau = 0.02;
    constexpr double total_mass = cart_mass + pole_mass, pole_moment = pole_mass * half_length;
    auto& [x, speed, angle, turn] = state_;
    const double force = action.integer() == 1 ? 10.0 : -10.0;
    const double cosine = std::cos(angle), sine = std::sin(angle);
    const double push = (force + pole_moment * (turn * turn) * sine) / total_mass;
    const double turning = (gravity * sine - cosine * push) /
                           (half_length * (4.0 / 3.0 - pole_mass * (cosine * cosine) / total_mass));
    const double acceleration = push - pole_moment * turning * cosine / total_mass;
    x += tau * speed;
    speed += tau * acceleration;
    angle += tau * turn;
    turn += tau * turning;
    ++steps_;
    rlmesh::Step result;
    result.observation = observation();
    result.reward = 1;
    constexpr double most_angle = 12 * 2 * 3.14159265358979323846 / 360;
    result.terminated = std::fabs(x) > 2.4 || std::fabs(angle) > most_angle;
    result.truncated = steps_ >= max_steps;
    return result;
  }

 private:
  static constexpr std::uint64_t max_steps = 500;
  rlmesh::Value observation() const {
    std::vector<float> numbers(state_.begin(), state_.end());
    return rlmesh::Array::of(numbers);
  }
  std::array<double, 4> state_{};
  std::mt19937_64 generator_;
  std::uint64_t steps_ = 0;
};
